//! Tests of the story of a made-up run.

use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex, Tier};

use super::*;
use crate::decided::{Answer, Asked, Decided};
use crate::event::Event;
use crate::key::{CodeKey, FuncKey, ModuleKey};
use crate::text::{Real, Text};

fn func(n: u32) -> FuncKey {
    FuncKey {
        module: ModuleKey(0),
        func: DefinedFuncIndex(n),
    }
}

fn code(n: u32, unit: CompileUnit, tier: Tier) -> CodeKey {
    CodeKey::new(func(n), unit, tier)
}

fn finished(code: CodeKey, time: u64) -> Event {
    Event::CompileFinished {
        code,
        body_bytes: 1_204,
        code_bytes: 5_000,
        time: Nanos(time),
        cpu_time: Nanos(time),
        queue_wait: Nanos(0),
        loops: None,
    }
}

fn published(code: CodeKey) -> Event {
    Event::Published {
        code,
        address: 0x1000,
        code_bytes: 5_000,
    }
}

fn entered(code: CodeKey) -> Event {
    let address = 0x2000;
    Event::OsrEntered { code, address }
}

/// Function 0 has a hot loop and is then optimized; functions 1 to 30 run once.
fn run() -> Vec<Record> {
    let base = code(0, CompileUnit::Function, Tier::Baseline);
    let entry = code(0, CompileUnit::Loop(LoopIndex(1)), Tier::Optimizer);
    let whole = code(0, CompileUnit::Function, Tier::Optimizer);
    let mut events = vec![
        (100_000, finished(base, 50_000)),
        (101_000, published(base)),
    ];
    for n in 1..=30 {
        let base = code(n, CompileUnit::Function, Tier::Baseline);
        events.push((200_000 + u64::from(n), finished(base, 20_000)));
        events.push((300_000 + u64::from(n), published(base)));
    }
    let decision = Decided {
        reason: "over threshold".into(),
        numbers: vec![
            ("units".into(), Real(12_345.6)),
            ("speedup".into(), Real(1.5)),
        ],
        answer: Answer {
            osr: Some(Asked::default()),
            ..Answer::default()
        },
        ..Decided::default()
    };
    let (func, decision) = (func(0), Box::new(decision));
    events.extend([
        (3_999_000, Event::Decided { func, decision }),
        (
            4_000_000,
            Event::RequestQueued {
                code: entry,
                level: 1,
                lane: "urgent".into(),
                priority: Real(0.0),
                queue_length: 1,
            },
        ),
        (9_000_000, finished(entry, 4_900_000)),
        (9_100_000, entered(entry)),
        (9_200_000, entered(entry)),
        (14_000_000, finished(whole, 5_000_000)),
        (14_000_500, published(whole)),
    ]);
    let record = |(at, event)| Record {
        at: Nanos(at),
        cpu: Nanos(at),
        thread: 0,
        event,
    };
    events.into_iter().map(record).collect()
}

fn render(options: StoryOptions) -> String {
    Story::new(run(), Names::default(), Nanos(20_000_000), options).to_string()
}

#[test]
fn the_timeline_has_the_switches_in_order() {
    let text = render(StoryOptions::default());
    let places = [
        "compiled by the baseline (1,204 bytes, 50 us)",
        "30 functions compiled by the baseline (36,120 bytes, 0.60 ms)",
        "is hot: asked the optimizer for it (over threshold: units 12,346, speedup 1.50)",
        "went on in optimized code (OSR)",
        "run optimized code from now on",
        "loop 1 x2",
        "23 more",
    ]
    .map(|part| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part:?} in\n{text}"))
    });
    assert!(places.is_sorted(), "{text}");
}

/// With a ladder of three levels, each has its name in sentences, table and legend.
#[test]
fn levels_have_their_names() {
    let mut names = Names::default();
    let levels = ["naive", "cranelift-none", "cranelift-speed"];
    names.set_levels(levels.map(Text::from).to_vec());
    let mut records = run();
    let whole = code(0, CompileUnit::Function, Tier::Optimizer).at_level(2);
    for (at, event) in [
        (16_000_000, finished(whole, 1_000_000)),
        (16_000_500, published(whole)),
    ] {
        let (at, cpu, thread) = (Nanos(at), Nanos(at), 0);
        records.push(Record {
            at,
            cpu,
            thread,
            event,
        });
    }
    let text = Story::new(records, names, Nanos(20_000_000), StoryOptions::default()).to_string();
    for part in [
        "30 functions compiled by naive (",
        "is hot: asked cranelift-none for it",
        "went on in code of cranelift-none (OSR)",
        "run code of cranelift-speed from now on",
        "           naive    cranelift-none   cranelift-speed",
        "===11111##########",
        "- naive   = naive, its loop optimized   1 cranelift-none   # cranelift-speed",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn the_bar_shows_each_way_of_running() {
    let text = render(StoryOptions::default());
    let bar = text
        .lines()
        .rfind(|line| line.contains("-="))
        .expect("a bar");
    assert!(bar.ends_with('#') && bar.contains("--==="), "{text}");
}

#[test]
fn a_short_story_keeps_the_switches() {
    let text = render(StoryOptions {
        lines: 2,
        ..StoryOptions::default()
    });
    assert!(
        text.contains("(OSR)") && text.contains("from now on"),
        "{text}"
    );
    assert!(text.contains("smaller steps not shown"), "{text}");
}
