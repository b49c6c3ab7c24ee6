//! The limits of a guest: stack limits, walks from interruptions, signals. In every execution mode.
//!
//! A failure of these tests is often the end of the process rather than a failed assertion.

#![forbid(unsafe_code)]

mod support {
    pub mod modes;
}

mod sandbox_cases {
    mod frames;
    mod signals;
    mod storms;
}

use upshift::Engine;

/// Runs a test in every mode, and names the mode if it fails.
fn in_every_mode(test: impl Fn(&Engine)) {
    for (mode, engine) in support::modes::engines() {
        eprintln!("mode {mode}");
        test(engine);
    }
}
