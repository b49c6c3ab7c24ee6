//! The budgets of a slice's parts, from one event to the next.
//!
//! At each event all budgets of the slice go down by what has been done, and the first one to be
//! used up is looked for. There may be hundreds of budgets and thousands of events, so budgets are
//! kept in blocks, which are brought up to date when they matter: a block remembers up to which
//! share of the slice none of its budgets can be used up, and how many of the steps its figures
//! have in them. The steps that are missing are taken one after the other, as if each had been
//! taken in its time, so that every figure is the same, bit by bit.

/// How many budgets are in a block.
const BLOCK: usize = 8;

/// How many steps are remembered at most.
const STEPS: usize = 1 << 16;

/// By how much of a slice, and by which part of itself, a sum of [`STEPS`] shares may be wrong: a
/// hundred times what rounding makes of it.
const MARGIN: f64 = 1e-9;

/// The budgets of the slice that the guest is in. Empty between slices.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// How many there are.
    len: usize,
    /// The units that are left, after the steps that the block has in it: whole blocks, once it is
    /// known what the slice takes.
    left: Vec<f64>,
    /// What the whole slice takes of them; whole blocks.
    units: Vec<f64>,
    /// For each block the share of the slice, counted as `done` is, at which its first budget is
    /// used up, but for [`MARGIN`].
    ends: Vec<f64>,
    /// For each block how many of `steps` it has in it.
    taken: Vec<usize>,
    /// The shares of the slice that were done, step by step.
    steps: Vec<f64>,
    /// Their sum.
    done: f64,
}

/// What a slice does until the first budget is used up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// The share of the slice that is to be done.
    pub(super) share: f64,
    /// The part whose budget is used up then; `None`: the slice ends.
    pub(super) hit: Option<usize>,
}

impl Budgets {
    /// The number of budgets.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.left.clear();
        self.units.clear();
        self.steps.clear();
        self.done = 0.0;
        self.taken.clear();
        self.ends.clear();
    }

    /// Adds a budget of so many units, before [`lay_out`](Self::lay_out).
    pub(super) fn push(&mut self, left: f64) {
        self.left.push(left);
        self.len += 1;
    }

    /// Says what the slice takes of each budget. What was taken before is in the budgets.
    pub(super) fn lay_out(&mut self, units: impl IntoIterator<Item = f64>) {
        let whole = self.len.next_multiple_of(BLOCK);
        self.left.resize(whole, f64::INFINITY);
        self.units.clear();
        self.units.extend(units);
        self.units.resize(whole, 0.0);
        self.start_over();
    }

    /// Brings all blocks up to date.
    pub(super) fn settle_all(&mut self) {
        for block in 0..self.taken.len() {
            self.settle(block);
        }
    }

    /// Forgets all steps: blocks have them in them.
    fn start_over(&mut self) {
        let blocks = self.units.len() / BLOCK;
        self.steps.clear();
        self.done = 0.0;
        self.taken.clear();
        self.taken.resize(blocks, 0);
        self.ends.clear();
        self.ends.resize(blocks, 0.0);
        for block in 0..blocks {
            self.find_end(block);
        }
    }

    /// Takes the steps that a block does not have in it yet.
    fn settle(&mut self, block: usize) {
        // The slice takes nothing from any of them.
        if self.ends[block] == f64::INFINITY {
            self.taken[block] = self.steps.len();
            return;
        }
        let missing = &self.steps[self.taken[block]..];
        let mut left: [f64; BLOCK] = *of_block(&self.left, block);
        let units = of_block(&self.units, block);
        for share in missing {
            for (left, units) in left.iter_mut().zip(units) {
                *left -= share * units;
            }
        }
        self.left[block * BLOCK..][..BLOCK].copy_from_slice(&left);
        self.taken[block] = self.steps.len();
    }

    /// Notes when the first budget of a block that is up to date is used up.
    fn find_end(&mut self, block: usize) {
        let (left, units) = (of_block(&self.left, block), of_block(&self.units, block));
        // Infinite, or no number, for a budget of which nothing is taken.
        let shares: [f64; BLOCK] = std::array::from_fn(|lane| positive(left[lane]) / units[lane]);
        self.ends[block] = self.done + least(&shares);
    }

    /// The units that are left of a budget.
    pub(super) fn left(&self, position: usize) -> f64 {
        let mut left = self.left[position];
        if let Some(units) = self.units.get(position) {
            for share in &self.steps[self.taken[position / BLOCK]..] {
                left -= share * units;
            }
        }
        left
    }

    /// Sets a budget.
    pub(super) fn set_left(&mut self, position: usize, units: f64) {
        let block = position / BLOCK;
        if self.units.is_empty() {
            self.left[position] = units;
            return;
        }
        self.settle(block);
        self.left[position] = units;
        match units == 0.0 && self.units[position] > 0.0 {
            true => self.ends[block] = self.done,
            false => self.find_end(block),
        }
    }

    /// What can be done of the rest of the slice until the first budget is used up: the same as if
    /// each budget were looked at in its order.
    pub(super) fn next_step(&mut self, rest: f64) -> Step {
        let mut step = Step {
            share: rest,
            hit: None,
        };
        // Budgets that clearly end after the first one, or after the slice, are not looked at.
        let first = least(&self.ends);
        let most = first.min(self.done + rest);
        let most = most + MARGIN * (1.0 + most);
        for block in 0..self.ends.len() {
            if self.ends[block] > most {
                continue;
            }
            self.settle(block);
            let (left, units) = (of_block(&self.left, block), of_block(&self.units, block));
            for (lane, (&left, &units)) in left.iter().zip(units).enumerate() {
                if left < step.share * units {
                    step.share = left.max(0.0) / units;
                    step.hit = Some(block * BLOCK + lane);
                }
            }
        }
        step
    }

    /// Takes what a share of the slice counts from the budgets.
    pub(super) fn charge(&mut self, share: f64) {
        self.steps.push(share);
        self.done += share;
        if self.steps.len() == STEPS {
            self.settle_all();
            self.start_over();
        }
    }
}

/// The figures of a block.
fn of_block(figures: &[f64], block: usize) -> &[f64; BLOCK] {
    let (blocks, _) = figures.as_chunks();
    &blocks[block]
}

/// The number, or zero for one below. One instruction, as opposed to `f64::max`.
fn positive(number: f64) -> f64 {
    if number > 0.0 { number } else { 0.0 }
}

/// The least of some numbers; what is none is left out.
fn least(numbers: &[f64]) -> f64 {
    let lesser = |one: f64, other: f64| if other < one { other } else { one };
    let mut lanes = [f64::INFINITY; BLOCK];
    let blocks = numbers.chunks_exact(BLOCK);
    let rest = blocks.remainder();
    for block in blocks {
        for (lane, number) in lanes.iter_mut().zip(block) {
            *lane = lesser(*lane, *number);
        }
    }
    let all = lanes.into_iter().chain(rest.iter().copied());
    all.fold(f64::INFINITY, lesser)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each budget looked at and charged in its order, at each step.
    struct Plain {
        left: Vec<f64>,
        units: Vec<f64>,
    }

    impl Plain {
        fn next_step(&self, rest: f64) -> Step {
            let mut step = Step {
                share: rest,
                hit: None,
            };
            for (position, (&left, &units)) in self.left.iter().zip(&self.units).enumerate() {
                if left < step.share * units {
                    step.share = left.max(0.0) / units;
                    step.hit = Some(position);
                }
            }
            step
        }

        fn charge(&mut self, share: f64) {
            for (left, units) in self.left.iter_mut().zip(&self.units) {
                *left -= share * units;
            }
        }
    }

    /// Slices of random budgets, some of them equal, endless or of functions that take nothing; the
    /// code of some changes on the way. Every step and every budget is that of the plain way.
    #[test]
    fn steps_and_budgets_are_those_of_looking_at_each() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut budgets = Budgets::default();
        let mut steps = 0;
        for _ in 0..300 {
            let count = random.usize(1..60);
            let budget = |random: &mut fastrand::Rng| match random.u32(..6) {
                0 => f64::INFINITY,
                1 => 150.0,
                _ => f64::from(random.u32(1..5_000)),
            };
            let units = |random: &mut fastrand::Rng| match random.u32(..5) {
                0 => 0.0,
                1 => 3_000.0,
                _ => random.f64().powi(6) * 90_000.0,
            };
            let mut plain = Plain {
                left: (0..count).map(|_| budget(&mut random)).collect(),
                units: (0..count).map(|_| units(&mut random)).collect(),
            };
            budgets.clear();
            plain.left.iter().for_each(|left| budgets.push(*left));
            budgets.lay_out(plain.units.iter().copied());
            let mut rest = 1.0;
            loop {
                let step = budgets.next_step(rest);
                assert_eq!(step, plain.next_step(rest));
                steps += 1;
                // An event may come before the budget's end.
                let share = match random.u32(..9) {
                    0 => random.f64(),
                    _ => 1.0,
                };
                let done = share * step.share;
                rest = (rest - done).max(0.0);
                budgets.charge(done);
                plain.charge(done);
                match step.hit.filter(|_| share == 1.0) {
                    Some(position) => {
                        let units = budget(&mut random);
                        budgets.set_left(position, units);
                        plain.left[position] = units;
                    }
                    None if share == 1.0 => break,
                    None => {}
                }
                if random.u32(..20) == 0 {
                    budgets.settle_all();
                    plain.units = (0..count).map(|_| units(&mut random)).collect();
                    budgets.lay_out(plain.units.iter().copied());
                }
                let position = random.usize(..count);
                assert_eq!(budgets.left(position), plain.left[position]);
            }
            budgets.settle_all();
            let left: Vec<f64> = (0..count).map(|position| budgets.left(position)).collect();
            assert_eq!(left, plain.left);
        }
        assert!(steps > 3_000, "{steps}");
    }
}
