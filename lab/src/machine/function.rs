//! The state of functions in a run.

use super::Switch;
use crate::trace::Counting;
use crate::workload::{Code, Part, Workload};

/// What is read of a function at the begin of each slice in which it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hot {
    /// The units that are left of its budget. While the guest is in a slice in which the function
    /// runs, they stand there.
    pub(super) left: f64,
    /// The part of its iterations that calls make which last.
    pub(super) lasting: f64,
    /// Its position in the last slice in which it ran.
    pub(super) position: u32,
    /// The level of the code that new calls run, and what that code counts.
    pub(super) running: u8,
    pub(super) counts: Counting,
    /// Likewise of calls that last.
    pub(super) lasting_running: u8,
    pub(super) lasting_counts: bool,
    /// Whether there is code of a level above 0.
    pub(super) is_published: bool,
}

/// The rest of a function's state.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The level that new calls run.
    pub(super) calls: usize,
    /// The level of its OSR entries; 0 without.
    pub(super) osr: usize,
    /// The last slice in which a loop went on in an OSR entry; `None` since one was published.
    pub(super) entered: Option<usize>,
    /// The last budget.
    pub(super) budget: f64,
    pub(super) alarm: Option<u64>,
}

/// The states of functions before a run.
pub(super) fn functions(workload: &Workload, switch: Switch) -> (Vec<Hot>, Vec<State>) {
    let hot = |code: &Code| Hot {
        left: f64::INFINITY,
        lasting: match switch {
            Switch::Publish => 0.0,
            Switch::Entry => code.lasting,
        },
        position: 0,
        running: 0,
        counts: workload.counting[0],
        lasting_running: 0,
        lasting_counts: workload.counting[0] == Counting::Counts,
        is_published: false,
    };
    let state = State {
        calls: 0,
        osr: 0,
        entered: None,
        budget: f64::INFINITY,
        alarm: None,
    };
    let states = vec![state; workload.functions.len()];
    (workload.functions.iter().map(hot).collect(), states)
}

impl Hot {
    /// The levels at which a part runs, with the time that it takes there: of new calls, and of
    /// those that last.
    pub(super) fn times(&self, part: &Part) -> [(usize, f64); 2] {
        let (new, lasting) = (usize::from(self.running), usize::from(self.lasting_running));
        [
            (new, part.ns[new] * (1.0 - self.lasting)),
            (lasting, part.ns[lasting] * self.lasting),
        ]
    }

    /// What a part takes from the budget in code that counts, with this weight of a call and of an
    /// iteration: in calls, and in loops.
    pub(super) fn units(&self, part: &Part, call: f64, iteration: f64) -> (f64, f64) {
        let iterations = part.iterations * iteration;
        let lasting = iterations * self.lasting;
        // Without branches, which no processor could predict: neighbours are at any level.
        let if_counted = |is_counted: bool, units: f64| if is_counted { units } else { 0.0 };
        let calls = if_counted(self.counts != Counting::Silent, part.entries * call);
        let loops = if_counted(self.counts == Counting::Counts, iterations - lasting)
            + if_counted(self.lasting_counts, lasting);
        (calls, loops)
    }
}
