//! Runs .wast files in every execution mode.
