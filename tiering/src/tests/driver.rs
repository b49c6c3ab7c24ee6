//! A fifth driver, as a file beside the others would have it: what is requested is compiled and
//! installed in batches, by the thread that makes the last request of a batch.

use std::sync::Mutex;

use upshift_profiler::{CodeKey, DropReason, Nanos};

use super::*;
use crate::ModuleTiers;
use crate::driver::Driver;
use crate::fake::FakeHome;
use crate::function::Function;
use crate::home::CodeHome;
use crate::policy::{Budget, Decision, Lane, Level, PolicyEvent, Request};
use crate::sessions::CompileSessions;

/// How many requests make a batch.
const BATCH: usize = 3;

/// The driver: the requests that wait for others.
#[derive(Default)]
struct Batches(Mutex<Vec<CodeKey>>);

impl<M: CodeHome> Driver<M> for Batches {
    fn request(&self, function: Function<'_, M>, key: CodeKey, request: Request) {
        let mut waiting = self.0.lock().unwrap();
        function.log_request(key, request, waiting.len() as u32 + 1);
        waiting.push(key);
        if waiting.len() < BATCH {
            return;
        }
        let batch = std::mem::take(&mut *waiting);
        drop(waiting);
        let mut sessions = CompileSessions::new(function.shared());
        for key in batch {
            let function = function.module.function(function.home, key.func.func);
            match function.compile_claimed(key, &mut sessions) {
                Some(code) => function.install_optimized(key, code),
                None => function.shared().dropped(key, DropReason::Withdrawn),
            }
        }
    }

    fn wake(&self, _function: Function<'_, M>, _after: Nanos) {}
}

#[test]
fn a_driver_is_one_object() {
    // The policy requests a function at its first exhausted budget.
    let rig = Rig::deciding(0, "", |_, event, _| match event {
        PolicyEvent::Entry => {
            Decision::wait(Budget::Units(9)).with_function(Request::new(Level(1), Lane::Normal))
        }
        _ => Decision::wait(Budget::Units(9)),
    });
    let home = FakeHome::new(5);
    let tiers = ModuleTiers::driven(&rig.tiering, home.facts(), Box::<Batches>::default());
    let rig = Rig { home, tiers, ..rig };
    let phases = || [0, 1, 2, 3, 4].map(|func| phase(&rig, func));
    let call = |func| (0..20).for_each(|_| _ = rig.call(func, 0));
    call(0);
    call(1);
    use Phase::{Baseline, Optimized, Queued, Uncompiled};
    let before = [Queued, Queued, Uncompiled, Uncompiled, Uncompiled];
    assert_eq!(phases(), before);
    call(2);
    call(3);
    let after = [Optimized, Optimized, Optimized, Queued, Uncompiled];
    assert_eq!(phases(), after);
    assert_eq!(rig.home.published(0).unwrap().tier, Tier::Optimizer);
    rig.first_call(4);
    assert_eq!(phases()[4], Baseline);
}
