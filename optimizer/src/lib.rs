//! The optimizing compiler: function body to machine code through Cranelift.
