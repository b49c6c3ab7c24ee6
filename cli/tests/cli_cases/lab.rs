//! `upshift lab`: usage, lists, and files that are no traces.

use crate::{file, upshift};

#[test]
fn policies_are_listed_with_their_parameters() {
    let all = upshift(&["lab", "policies"]).success();
    assert!(all.contains("cost-model") && all.contains("alpha"), "{all}");
    assert!(all.contains("hottest"), "{all}");
    let one = upshift(&["lab", "policies", "v8-budget"]).success();
    assert!(
        !one.contains("cost-model") && !one.contains("Queue"),
        "{one}"
    );
    let none = upshift(&["lab", "policies", "v9"]).failure(2);
    assert!(none.contains("no policy or discipline `v9`"), "{none}");
}

#[test]
fn what_is_no_trace_is_an_error_with_the_files_name() {
    let none = upshift(&["lab", "bounds", "/nonexistent.trace"]).failure(1);
    assert!(none.contains("cannot read `/nonexistent.trace`"), "{none}");
    let text = file("lab.trace", "UPTRACE\n");
    let short = upshift(&["lab", "simulate", &text]).failure(1);
    assert!(short.contains("lab.trace"), "{short}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["lab", "simulate", "x", "-T", "polcy=never"][..],
        &["lab", "simulate", "x", "--scale", "speed=0"],
        &["lab", "bounds", "x", "--slowdown", "0.5"],
        &["lab", "bounds", "x", "--cores", "0"],
        &["lab", "guess"],
        &["lab"],
    ] {
        upshift(arguments).failure(2);
    }
}
