//! The life of a function: budgets, policies, queue, workers, publishing, OSR.
