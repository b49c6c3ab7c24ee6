//! The numbers of requests: which one a unit's next compilation, or a piece of code, belongs to.
//!
//! Where tiering knows the number it is in the event's [`CodeKey`]. A unit has at most one request
//! under way and a piece of code one address, so the log completes what has none: events of first
//! code, which nothing requested, and those of code that runs or is retired.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use upshift_abi::CompileUnit;

use crate::event::Event;
use crate::key::{CodeKey, FuncKey, Nanos, ReqId};

/// Numbers that are given out, and those of requests and code that exist.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// What waits, is compiled, or is about to be published.
    under_way: HashMap<(FuncKey, CompileUnit, u8), ReqId>,
    /// Published code by its address, with the time of its publication.
    code: HashMap<u64, (ReqId, Nanos)>,
}

/// The source of numbers. Relaxed: numbers only have to differ.
#[derive(Debug)]
pub(crate) struct ReqNumbers(AtomicU32);

impl Default for ReqNumbers {
    fn default() -> Self {
        Self(AtomicU32::new(ReqId::NONE.0 + 1))
    }
}

impl ReqNumbers {
    pub(crate) fn next(&self) -> ReqId {
        ReqId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Requests {
    /// Adds to the event what it lacks: its request's number, and the age of retired code.
    pub(crate) fn complete(&mut self, at: Nanos, event: &mut Event, numbers: &ReqNumbers) {
        match event {
            Event::RequestQueued { code, .. }
            | Event::Dequeued { code, .. }
            | Event::CompileStarted { code, .. } => {
                self.take_pending(code);
                if code.req == ReqId::NONE {
                    code.req = numbers.next();
                }
                self.under_way.insert(unit(code), code.req);
            }
            Event::RequestDeduplicated { code, .. } | Event::CompileFinished { code, .. } => {
                self.take_pending(code);
            }
            Event::RequestDropped { code, .. }
            | Event::CompileFailed { code, .. }
            | Event::CompileRefused { code, .. } => {
                self.take_pending(code);
                self.ended(code);
            }
            Event::Published { code, address, .. } | Event::OsrReady { code, address, .. } => {
                match self.code.get(address) {
                    // Published before, and again in place of other code.
                    Some((req, _)) if code.req == ReqId::NONE => code.req = *req,
                    _ => {
                        self.take_pending(code);
                        self.ended(code);
                        self.code.insert(*address, (code.req, at));
                    }
                }
            }
            Event::OsrEntered { code, address } => {
                if let Some((req, _)) = self.code.get(address) {
                    code.req = *req;
                }
            }
            Event::Retired {
                code, address, age, ..
            } => match self.code.remove(address) {
                Some((req, since)) => {
                    code.req = req;
                    *age = Some(Nanos(at.0.saturating_sub(since.0)));
                }
                // Code that only a trial ran.
                None => {
                    self.take_pending(code);
                    self.ended(code);
                }
            },
            _ => {}
        }
    }

    fn take_pending(&self, code: &mut CodeKey) {
        if code.req == ReqId::NONE
            && let Some(req) = self.under_way.get(&unit(code))
        {
            code.req = *req;
        }
    }

    /// Forgets the unit's request, unless that is a later one.
    fn ended(&mut self, code: &CodeKey) {
        let unit = unit(code);
        if self.under_way.get(&unit) == Some(&code.req) {
            self.under_way.remove(&unit);
        }
    }
}

fn unit(code: &CodeKey) -> (FuncKey, CompileUnit, u8) {
    (code.func, code.unit, code.level)
}

#[cfg(test)]
mod tests {
    use upshift_abi::{DefinedFuncIndex, Tier};

    use super::*;
    use crate::event::DropReason;
    use crate::key::ModuleKey;
    use crate::text::Real;

    fn code(tier: Tier) -> CodeKey {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(3),
        };
        CodeKey::new(func, CompileUnit::Function, tier)
    }

    struct Rig(Requests, ReqNumbers);

    impl Rig {
        fn at(&mut self, at: u64, mut event: Event) -> Event {
            self.0.complete(Nanos(at), &mut event, &self.1);
            event
        }
    }

    fn started(code: CodeKey) -> Event {
        Event::CompileStarted {
            code,
            queue_wait: Nanos(0),
            units: 0,
        }
    }

    fn published(code: CodeKey, address: u64) -> Event {
        Event::Published {
            code,
            address,
            code_bytes: 1,
        }
    }

    fn retired(code: CodeKey, address: u64) -> Event {
        Event::Retired {
            code,
            address,
            code_bytes: 1,
            age: None,
        }
    }

    #[test]
    fn code_keeps_its_number_until_it_is_retired() {
        let mut rig = Rig(Requests::default(), ReqNumbers::default());
        let (first, second) = (code(Tier::Baseline), code(Tier::Optimizer));
        let one = rig.at(1, started(first));
        assert_eq!(one, started(first.with_req(ReqId(1))));
        rig.at(2, published(first, 64));
        let known = second.with_req(rig.1.next());
        rig.at(3, started(known));
        let duplicate = |code| Event::RequestDeduplicated {
            code,
            lane: "high".into(),
            priority: Real(1.0),
        };
        assert_eq!(rig.at(4, duplicate(second)), duplicate(known));
        rig.at(5, published(known, 128));
        let Event::Retired { code, age, .. } = rig.at(12, retired(first, 64)) else {
            unreachable!();
        };
        assert_eq!((code.req, age), (ReqId(1), Some(Nanos(10))));
        let Event::Retired { code, age, .. } = rig.at(15, retired(second, 128)) else {
            unreachable!();
        };
        assert_eq!((code.req, age), (ReqId(2), Some(Nanos(10))));
        assert!(rig.0.code.is_empty() && rig.0.under_way.is_empty());
    }

    #[test]
    fn a_late_drop_does_not_end_the_next_request() {
        let mut rig = Rig(Requests::default(), ReqNumbers::default());
        let unit = code(Tier::Optimizer);
        let (old, new) = (unit.with_req(ReqId(7)), unit.with_req(ReqId(8)));
        rig.at(1, started(old));
        rig.at(2, started(new));
        let why = DropReason::Withdrawn;
        rig.at(3, Event::RequestDropped { code: old, why });
        assert_eq!(rig.at(4, published(unit, 64)), published(new, 64));
    }
}
