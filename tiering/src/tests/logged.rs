//! Tests of what the log says of requests and decisions.

use upshift_profiler::{Event, ReqId};

use super::*;

/// The name of each event of the request, in order.
fn life(events: &[Event], req: ReqId) -> Vec<&'static str> {
    let of_request = |event: &&Event| match event {
        Event::RequestQueued { code, .. }
        | Event::RequestDeduplicated { code, .. }
        | Event::RequestDropped { code, .. }
        | Event::Dequeued { code, .. }
        | Event::CompileStarted { code, .. }
        | Event::CompileFinished { code, .. }
        | Event::Published { code, .. }
        | Event::OsrReady { code, .. }
        | Event::OsrEntered { code, .. }
        | Event::Retired { code, .. } => code.req == req,
        _ => false,
    };
    events.iter().filter(of_request).map(Event::name).collect()
}

fn events(rig: &Rig) -> Vec<Event> {
    let records = rig.tiering.log().records();
    records.into_iter().map(|record| record.event).collect()
}

#[test]
fn one_number_leads_from_the_request_to_the_published_code() {
    let rig = Rig::new(
        1,
        "switching=background policy=fixed-budget:units=50,slices=1",
    );
    rig.call(0, 100);
    rig.tiering.wait_idle();
    rig.call(0, 0);
    rig.call(0, 100);
    rig.tiering.wait_idle();
    let events = events(&rig);
    let published = |tier| {
        let of = move |event: &Event| match event {
            Event::Published { code, .. } if code.tier == tier => Some(code.req),
            _ => None,
        };
        events.iter().find_map(of).expect("published")
    };
    let optimized = life(&events, published(Tier::Optimizer));
    let whole = [
        "request-queued",
        "dequeued",
        "compile-started",
        "compile-finished",
        "published",
    ];
    assert_eq!(optimized, whole);
    let baseline = life(&events, published(Tier::Baseline));
    let first = [
        "compile-started",
        "compile-finished",
        "published",
        "retired",
    ];
    assert_eq!(baseline, first);
}

#[test]
fn requests_follow_from_logged_decisions() {
    let rig = Rig::new(1, "switching=sync policy=fixed-budget:units=50,slices=1");
    rig.call(0, 100);
    for _ in 0..3 {
        rig.call(0, 20);
    }
    let events = events(&rig);
    let mut wanted = 0;
    for event in &events {
        match event {
            Event::Decided { decision, .. } => {
                let answer = &decision.answer;
                wanted = [&answer.function, &answer.osr]
                    .into_iter()
                    .flatten()
                    .count();
                assert_eq!(decision.memo.len(), 4);
                assert_eq!(decision.view.levels.len(), 2);
            }
            Event::RequestQueued { .. } => {
                assert!(wanted > 0, "{events:#?}");
                wanted -= 1;
            }
            _ => {}
        }
    }
    let triggers = events.iter().filter_map(|event| match event {
        Event::Decided { decision, .. } => Some(&*decision.trigger.name),
        _ => None,
    });
    let triggers: Vec<_> = triggers.collect();
    assert_eq!(triggers[0], "first-code");
    assert!(triggers.contains(&"loop"), "{triggers:?}");
    assert!(triggers.contains(&"published"), "{triggers:?}");
}
