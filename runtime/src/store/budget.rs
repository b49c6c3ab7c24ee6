//! Budgets of instances: the parts of functions' budgets that instances of modules with shared
//! memories draw, each into a cell of its own ([`VmBudget`]).
//!
//! While tiering measures how long a number of calls takes ([`Counts::Calls`]), a function's budget
//! has that number. Instances then leave it alone: frames of older baseline code go on with a
//! credit, and tiering hears of each.

use upshift_abi::DefinedFuncIndex;
use upshift_abi::vmctx::VmBudget;

use super::Instance;
use crate::module::{Counts, ModuleCode};

/// The least that an instance draws while so much is left, and the credit of a frame that must not
/// draw.
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
        let (draw, value) = match draw(&self.module, func, used) {
            part @ Draw::Part(_) => (part, T::default()),
            Draw::Exhausted | Draw::Measured => {
                let value = exhausted();
                (draw(&self.module, func, 0), value)
            }
        };
        let units = match draw {
            Draw::Part(units) => units,
            // Other threads have used what tiering has granted.
            Draw::Exhausted => 0,
            Draw::Measured => FEW,
        };
        // SAFETY: as above.
        unsafe { cell.write(units) };
        value
    }
}

/// Takes what an instance has used beyond what it had drawn from the function's budget, and draws
/// a part of what is left: so much that it asks seldom, and so little that other threads find
/// something and that a decision is not long in coming.
fn draw(module: &ModuleCode, func: DefinedFuncIndex, used: u32) -> Draw {
    let left = |budget: VmBudget| budget.saturating_sub_unsigned(used);
    let part = |left: VmBudget| (left / 4).clamp(FEW, MANY).min(left.max(0));
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
