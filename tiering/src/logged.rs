//! What the log is told of policies: their types as the plain names and numbers of its records.

use upshift_profiler::decided::{
    Answer, Asked, Decided, HintFigures, LevelFigures, LoopFigures, Trigger, ViewFigures,
};
use upshift_profiler::{Event, Real};

use crate::policy::{
    Budget, Decision, Hint, LevelView, LoopView, Memo, PolicyEvent, Request, View,
};

/// The log's event of a decision, with the memo as the policy left it: what engines record and
/// simulations can be compared by.
pub fn decided(event: PolicyEvent, view: &View, decision: &Decision, memo: &Memo) -> Event {
    let reason = decision.reason;
    let numbers = reason.numbers().iter();
    let decision = Decided {
        trigger: trigger(event),
        view: view_figures(view),
        answer: answer(decision),
        reason: reason.text().into(),
        numbers: numbers
            .map(|&(name, value)| (name.into(), Real(value)))
            .collect(),
        memo: memo.words.into(),
    };
    Event::Decided {
        func: view.func,
        decision: Box::new(decision),
    }
}

fn trigger(event: PolicyEvent) -> Trigger {
    let named = Trigger {
        name: event.name().into(),
        ..Trigger::default()
    };
    match event {
        PolicyEvent::Loop(site) => Trigger {
            site: Some(loop_figures(site)),
            ..named
        },
        PolicyEvent::Dequeued { level, waited } => Trigger {
            level: Some(level.0),
            waited: Some(waited),
            ..named
        },
        PolicyEvent::Published(level) => Trigger {
            level: Some(level.0),
            ..named
        },
        PolicyEvent::Sampled(samples) => Trigger {
            samples: Some(samples),
            ..named
        },
        PolicyEvent::Recorded(recorded) => Trigger {
            site: recorded.site.map(loop_figures),
            level: Some(recorded.level.0),
            ..named
        },
        PolicyEvent::FirstCode | PolicyEvent::Entry | PolicyEvent::Wake => named,
    }
}

fn loop_figures(site: LoopView) -> LoopFigures {
    LoopFigures {
        index: site.index.0,
        depth: site.depth,
        phase: site.phase.name().into(),
        entries: site.entries,
    }
}

fn view_figures(view: &View) -> ViewFigures {
    let levels = &view.level_views[..usize::from(view.levels).min(View::LEVELS)];
    ViewFigures {
        now: view.now,
        level: view.level.0,
        phase: view.phase.name().into(),
        body_bytes: view.body_bytes,
        code_bytes: view.code_bytes,
        module_bytes: view.module_bytes,
        module_funcs: view.module_funcs,
        units: view.units,
        calls: view.calls,
        iterations: view.iterations,
        call_units: view.call_units,
        loop_units: view.loop_units,
        units_since_request: view.units_since_request,
        entry_exhaustions: view.entry_exhaustions,
        loop_exhaustions: view.loop_exhaustions,
        rate: Real(view.rate),
        samples: view.samples,
        age: view.age,
        age_since_request: view.age_since_request,
        since_new_code: view.since_new_code,
        queue_length: view.queue_length,
        workers: view.workers,
        busy_workers: view.busy_workers,
        cores: view.cores,
        levels: levels.iter().map(level_figures).collect(),
        hint: view.hint.map(hint_figures),
    }
}

fn level_figures(level: &LevelView) -> LevelFigures {
    LevelFigures {
        ns_per_byte: level.ns_per_byte.map(Real),
        speedup: level.speedup.map(Real),
    }
}

fn hint_figures(hint: Hint) -> HintFigures {
    HintFigures {
        compilation: hint.compilation,
        optimization: hint.optimization,
        run_once: hint.run_once,
        expected_units: hint.expected_units,
    }
}

fn answer(decision: &Decision) -> Answer {
    Answer {
        budget: match decision.budget {
            Budget::Units(units) => Some(units),
            Budget::Unlimited => None,
        },
        function: decision.function.map(asked),
        osr: decision.osr.map(asked),
        withdraw: decision.withdraw,
        wake: decision.wake,
    }
}

fn asked(request: Request) -> Asked {
    Asked {
        level: request.level.0,
        lane: request.lane.name().into(),
        priority: Real(request.priority),
    }
}
