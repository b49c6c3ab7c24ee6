//! The one-pass baseline compiler: function body to machine code.
