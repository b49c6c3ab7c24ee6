//! Live code, memories, instances, traps and stacks: all the unsafe.
