//! Benchmarks and the comparison with other engines.
