//! Budgets of instances: the parts of functions' budgets that instances of modules with shared
//! memories draw, each into a cell of its own ([`VmBudget`]).
//!
//! While tiering measures how long a number of calls takes ([`Counts::Calls`]), a function's budget
//! has that number. Instances then leave it alone: frames of older baseline code go on with a
//! credit, and tiering hears of each.
//!
//! What is drawn counts as used, so an instance that calls a function once must not keep much: it
//! draws little at first, twice as much each time it comes back, and gives back the rest when it is
//! dropped.

use upshift_abi::DefinedFuncIndex;
use upshift_abi::vmctx::VmBudget;

use super::Instance;
use crate::module::{Counts, ModuleCode};

/// What an instance draws at first, and the credit of a frame that must not draw.
const FEW: i32 = 256;

/// The most that an instance draws.
const MANY: i32 = 1 << 16;

/// The result of drawing from a function's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draw {
    /// The instance has drawn so many units: none if no more are left than were used.
    Part(VmBudget),
    /// The instance had used more than was left, which tiering has to hear of.
    Exhausted,
    /// The budget counts calls, and is what it was.
    Measured,
}

impl Instance {
    /// Handles a budget that baseline code has found used up: asks tiering by `exhausted`, and
    /// returns what that does. Where the instance has a cell of its own, fills it, and asks only if
    /// there is nothing left to draw or nothing may be drawn.
    pub(crate) fn renew_budget<T: Default>(
        &mut self,
        func: DefinedFuncIndex,
        exhausted: impl FnOnce() -> T,
    ) -> T {
        let Some(cell) = self.budget(func) else {
            return exhausted();
        };
        // SAFETY: the cell is in the instance's context, and only this thread uses it.
        let used = unsafe { cell.read() }.min(0).unsigned_abs();
        let most = self.drawn[func.index()].saturating_mul(2).clamp(FEW, MANY);
        let (draw, value) = match draw(&self.module, func, used, most) {
            part @ Draw::Part(_) => (part, T::default()),
            Draw::Exhausted | Draw::Measured => {
                let value = exhausted();
                (draw(&self.module, func, 0, most), value)
            }
        };
        let (units, drawn) = match draw {
            Draw::Part(units) => (units, units),
            // Other threads have used what tiering has granted.
            Draw::Exhausted => (0, 0),
            // A credit, of which nothing is to be given back.
            Draw::Measured => (FEW, 0),
        };
        self.drawn[func.index()] = drawn;
        // SAFETY: as above.
        unsafe { cell.write(units) };
        value
    }
}

impl Drop for Instance {
    /// Gives back what the instance has drawn and not used.
    fn drop(&mut self) {
        for (n, _) in self
            .drawn
            .iter()
            .enumerate()
            .filter(|&(_, &drawn)| drawn > 0)
        {
            let func = DefinedFuncIndex::from_index(n);
            let cell = self.budget(func).expect("it has drawn");
            // SAFETY: as in `renew_budget`; no code of the instance runs any more.
            let unused = unsafe { cell.read() }.max(0);
            let change = |budget: VmBudget| match self.module.hooks().budget_counts(func) {
                Counts::Work => Some(budget.saturating_add(unused)),
                Counts::Calls => None,
            };
            self.module.change_budget(func, change);
        }
    }
}

/// Takes what an instance has used beyond what it had drawn from the function's budget, and draws
/// at most so many units of what is left, and not so many that other threads find nothing and a
/// decision is long in coming.
fn draw(module: &ModuleCode, func: DefinedFuncIndex, used: u32, most: VmBudget) -> Draw {
    let left = |budget: VmBudget| budget.saturating_sub_unsigned(used);
    let part = |left: VmBudget| (left / 4).max(FEW).min(most).min(left.max(0));
    // The budget is read first: what a trial has set is not changed even if it begins now.
    let change = |budget| match module.hooks().budget_counts(func) {
        Counts::Work => Some(left(budget) - part(left(budget))),
        Counts::Calls => None,
    };
    match module.change_budget(func, change) {
        None => Draw::Measured,
        Some(before) if left(before) < 0 => Draw::Exhausted,
        Some(before) => Draw::Part(part(left(before))),
    }
}
