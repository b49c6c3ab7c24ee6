//! Upshift.
