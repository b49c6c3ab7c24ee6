//! The statistics of a trial: whether a function's optimized code is slower than its baseline code.
//!
//! A *window* is a number of calls of the function in one tier, and the processor time of the
//! thread from the first of these calls to the first one behind them. So it has all that the thread
//! does between two calls, in the function or not, which is the same in both tiers; the difference
//! between two windows is what the tier costs the program.
//!
//! Windows are measured in blocks of four, two in each tier, in one of the orders that begin and
//! end with the same tier, at random: what else changes from window to window (the work of a call,
//! phases of the program, other functions' trials) favours no tier. A block yields the logarithm
//! of its ratio (of the shorter windows of both tiers, where one was disturbed), and the trial ends
//! when the mean of these is beyond doubt above or below what decides, or after a number of blocks.
//!
//! Knows no clock and no code; the times come from [`contest`](crate::contest).

use upshift_abi::Tier;
use upshift_profiler::Nanos;

/// The fewest blocks on which a function is sent back, or stays as it is hardly slower.
const MIN_BLOCKS: u32 = 7;

/// The fewest blocks on which a function stays that is faster.
const MIN_BLOCKS_FASTER: u32 = 2;

/// The number of blocks after which a trial ends, with less certainty.
const MAX_BLOCKS: u32 = 16;

/// The number of windows that may come to nothing before a trial is given up.
const MAX_VOID: u32 = 100;

/// The ratio of optimized over baseline time above which optimized code is slower.
const SLOWER: f64 = 1.003;

/// Nanoseconds by which a call must take longer in optimized code, too: as much as the counter
/// before the code may favour one of them by, which runs at the same time as the code's beginning.
const COUNTER: f64 = 0.5;

/// The ratio below which it is beyond question that optimized code may stay.
const NOT_SLOWER: f64 = 1.03;

/// The largest ratio that a block counts as, and its inverse the smallest: one window that had
/// something else to do must not decide.
const MAX_RATIO: f64 = 4.0;

/// The ratio of two windows of the same tier in a block from which the longer one is taken to be
/// disturbed: a virtual machine that loses its processor for a while counts this as the thread's
/// processor time.
const DISTURBED: u64 = 6;

/// Calls in a trial's first window.
const FIRST_CALLS: u32 = 16;

/// The most calls in a window.
const MAX_CALLS: u32 = 1 << 28;

/// The factor by which a window gets longer while the baseline can't be measured.
const PAUSE: u32 = 8;

/// The number of times that a trial pauses as it can't afford the baseline, before it is put off.
const MAX_PAUSES: u32 = 8;

/// The windows to measure next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// Measure that many calls in the tier.
    Measure { tier: Tier, calls: u32 },
    /// Measure that many calls of optimized code, and provide baseline code meanwhile.
    NeedBaseline { calls: u32 },
    /// The trial has ended.
    End(Finding),
    /// The trial has ended, and too few windows could be measured: optimized code stays.
    GiveUp,
    /// The trial has ended for now, as more measuring would cost too much: optimized code stays,
    /// and another trial may follow.
    PutOff,
}

/// What a trial asks before it measures baseline code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Whether it is this trial's turn: while one measures, the others let theirs rest.
    Turn,
    /// Whether that much more time may be lost now.
    Loss(Nanos),
}

/// What a trial has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The tier whose code is better, or, if that is in doubt, the optimizer.
    pub(crate) better: Tier,
    /// Calls measured in each tier.
    pub(crate) calls: u64,
    /// Time of these calls in baseline code.
    pub(crate) baseline: Nanos,
    /// Time of these calls in optimized code.
    pub(crate) optimized: Nanos,
    /// Geometric mean of the blocks' ratios, optimized over baseline time.
    pub(crate) ratio: f64,
    /// The interval of 95 % around `ratio`.
    pub(crate) interval: (f64, f64),
}

/// The point that a trial has reached.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Finding out how many calls make a window.
    Calibrate,
    /// There is no baseline code yet.
    AwaitBaseline,
    /// No window counts, because another trial measures or this one would cost too much now.
    Pause,
    /// Measuring a window of a block.
    Block(Block),
}

/// A block that is being measured.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    /// The tier of the first and last window; the other two are in the other one.
    outer: Tier,
    /// Windows measured.
    windows: u32,
    /// The sum and the least of the times of each tier's windows, by tier.
    times: [WindowTimes; 2],
}

/// The times of windows measured in one tier.
#[derive(Clone, Copy, Debug, PartialEq)]
struct WindowTimes {
    sum: u64,
    least: u64,
}

impl WindowTimes {
    const NONE: Self = Self {
        sum: 0,
        least: u64::MAX,
    };

    fn add(&mut self, time: Nanos) {
        self.sum += time.0;
        self.least = self.least.min(time.0);
    }

    /// Whether one of two windows took far longer than the other.
    fn is_disturbed(self) -> bool {
        self.sum - self.least > DISTURBED * self.least
    }
}

/// The trial of one function.
#[derive(Debug)]
pub(crate) struct Trial {
    rng: fastrand::Rng,
    /// The time that a window should take.
    target: Nanos,
    stage: Stage,
    /// Calls in a window of a block.
    calls: u32,
    /// Calls in the window that is being measured.
    running: u32,
    /// The last known time of a window in optimized code.
    optimized_window: Nanos,
    void: u32,
    pauses: u32,
    blocks: Blocks,
}

/// The blocks measured so far.
#[derive(Debug, Default)]
struct Blocks {
    count: u32,
    /// Mean of the logarithms of the ratios, and the sum of squared deviations from it.
    mean: f64,
    squares: f64,
    /// The number of blocks in which optimized code took longer.
    slower: u32,
    /// Calls in each tier.
    calls: u64,
    /// Times of these calls, by tier.
    times: [u64; 2],
}

impl Trial {
    /// A trial with windows of about that time.
    pub(crate) fn new(seed: u64, target: Nanos) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed).fork(),
            target,
            stage: Stage::Calibrate,
            calls: FIRST_CALLS,
            running: FIRST_CALLS,
            optimized_window: Nanos(0),
            void: 0,
            pauses: 0,
            blocks: Blocks::default(),
        }
    }

    /// The first window.
    pub(crate) fn first(&mut self) -> Step {
        self.measure(Tier::Optimizer, self.calls)
    }

    /// What the blocks so far have cost: how much longer they took in baseline code. Negative if
    /// they took less.
    pub(crate) fn cost(&self) -> i64 {
        let [baseline, optimized] = self.blocks.times;
        baseline.cast_signed() - optimized.cast_signed()
    }

    /// Records that baseline code exists now.
    pub(crate) fn provide_baseline(&mut self) {
        if self.stage == Stage::AwaitBaseline {
            self.stage = Stage::Pause;
        }
    }

    /// Records a window that says nothing; returns the next one.
    pub(crate) fn window_void(&mut self, ask: impl Fn(Ask) -> bool) -> Step {
        self.void += 1;
        if self.void > MAX_VOID {
            return Step::GiveUp;
        }
        match self.stage {
            Stage::Calibrate => self.first(),
            Stage::AwaitBaseline => self.await_baseline(),
            Stage::Pause | Stage::Block(_) => self.begin_block(ask),
        }
    }

    /// Records a window's time; returns the next one.
    pub(crate) fn window(&mut self, time: Nanos, ask: impl Fn(Ask) -> bool) -> Step {
        match self.stage {
            Stage::Calibrate => self.calibrate(time),
            Stage::AwaitBaseline => {
                self.fit(time);
                self.await_baseline()
            }
            Stage::Pause => {
                // Phases differ: calls of a microsecond can follow those of a second.
                self.fit(time);
                self.begin_block(ask)
            }
            Stage::Block(mut block) => {
                let tier = block.tier();
                if tier == Tier::Optimizer {
                    self.optimized_window = time;
                }
                block.times[tier as usize].add(time);
                block.windows += 1;
                if block.windows < 4 {
                    return self.go_on(block, ask);
                }
                self.blocks.add(2 * self.calls, block.times);
                if let Some(better) = self.blocks.verdict() {
                    return Step::End(self.blocks.finding(better));
                }
                self.fit(Nanos((block.times[0].sum + block.times[1].sum) / 4));
                self.begin_block(ask)
            }
        }
    }

    /// The time that a window in baseline code is expected to take longer than one in optimized
    /// code: as the blocks so far did, or before there are any, by half.
    fn expected_loss(&self) -> Nanos {
        let [baseline, optimized] = self.blocks.times;
        let rate = match self.blocks.count {
            0 => 0.5,
            _ => baseline as f64 / optimized.max(1) as f64 - 1.0,
        };
        Nanos((self.optimized_window.0 as f64 * rate).max(0.0) as u64)
    }

    fn calibrate(&mut self, time: Nanos) -> Step {
        let calls = self.calls;
        self.fit(time);
        // Half of the target is near enough; a first window may also be far too long.
        if time.0 * 2 < self.target.0 && calls < MAX_CALLS {
            return self.first();
        }
        self.optimized_window = Nanos(time.0 * u64::from(self.calls) / u64::from(calls));
        self.stage = Stage::AwaitBaseline;
        self.await_baseline()
    }

    /// Adapts the number of calls in a window to the last one, which took `time`.
    fn fit(&mut self, time: Nanos) {
        let calls = f64::from(self.running) * self.target.0 as f64 / time.0.max(1) as f64;
        let factor = calls / f64::from(self.calls);
        let calls = f64::from(self.calls) * factor.clamp(1.0 / 16.0, 16.0);
        self.calls = (calls as u32).clamp(1, MAX_CALLS);
    }

    fn await_baseline(&mut self) -> Step {
        self.running = self.calls;
        Step::NeedBaseline { calls: self.calls }
    }

    fn measure(&mut self, tier: Tier, calls: u32) -> Step {
        self.running = calls;
        Step::Measure { tier, calls }
    }

    fn begin_block(&mut self, ask: impl Fn(Ask) -> bool) -> Step {
        if !ask(Ask::Turn) {
            return self.rest();
        }
        let outer = match self.rng.bool() {
            true => Tier::Baseline,
            false => Tier::Optimizer,
        };
        let block = Block {
            outer,
            windows: 0,
            times: [WindowTimes::NONE; 2],
        };
        self.go_on(block, ask)
    }

    /// Measures the block's next window, if it can be afforded.
    fn go_on(&mut self, block: Block, ask: impl Fn(Ask) -> bool) -> Step {
        let tier = block.tier();
        if tier == Tier::Baseline && !ask(Ask::Loss(self.expected_loss())) {
            return self.pause();
        }
        self.stage = Stage::Block(block);
        self.measure(tier, self.calls)
    }

    /// Measures nothing for a while, or ends the trial: what costs much to measure is probably
    /// better than what it is compared with.
    fn pause(&mut self) -> Step {
        if self.blocks.is_probably_faster() {
            return Step::End(self.blocks.finding(Tier::Optimizer));
        }
        self.pauses += 1;
        if self.pauses > MAX_PAUSES {
            return Step::PutOff;
        }
        self.rest()
    }

    fn rest(&mut self) -> Step {
        self.stage = Stage::Pause;
        let calls = self.calls.saturating_mul(PAUSE).min(MAX_CALLS);
        self.measure(Tier::Optimizer, calls)
    }
}

impl Block {
    /// The tier of the next window.
    fn tier(&self) -> Tier {
        match self.windows {
            0 | 3 => self.outer,
            _ => other(self.outer),
        }
    }
}

fn other(tier: Tier) -> Tier {
    match tier {
        Tier::Baseline => Tier::Optimizer,
        Tier::Optimizer => Tier::Baseline,
    }
}

impl Blocks {
    fn add(&mut self, calls: u32, times: [WindowTimes; 2]) {
        self.count += 1;
        self.calls += u64::from(calls);
        for (sum, time) in self.times.iter_mut().zip(times) {
            *sum += time.sum;
        }
        // Sums cancel work that grows from window to window, so they are better where both will do.
        let disturbed = times.into_iter().any(WindowTimes::is_disturbed);
        let [baseline, optimized] = times.map(|time| match disturbed {
            true => time.least.max(1) as f64,
            false => time.sum.max(1) as f64,
        });
        let value = (optimized / baseline).ln();
        let value = value.clamp(-MAX_RATIO.ln(), MAX_RATIO.ln());
        self.slower += u32::from(value > 0.0);
        let deviation = value - self.mean;
        self.mean += deviation / f64::from(self.count);
        self.squares += deviation * (value - self.mean);
    }

    /// The standard error of the mean.
    fn error(&self) -> f64 {
        let count = f64::from(self.count);
        (self.squares / (count - 1.0).max(1.0) / count).sqrt()
    }

    /// The better tier, if the blocks suffice to tell.
    ///
    /// The mean must lie four standard errors from what decides at first and three later: the
    /// error of few blocks is itself uncertain, and the question is asked again after each of them;
    /// when it is asked for the last time, two suffice.
    /// A function is sent back only if it is also slower in many more than half of the blocks:
    /// where calls differ much, the mean and the error of few blocks deceive.
    fn verdict(&self) -> Option<Tier> {
        let margin = self.error() * (3.0 + f64::from(MIN_BLOCKS) / f64::from(self.count));
        let (low, high) = (self.mean - margin, self.mean + margin);
        let faster = self.count >= MIN_BLOCKS_FASTER && high < 0.0;
        if faster {
            return Some(Tier::Optimizer);
        }
        if self.count >= MAX_BLOCKS {
            let slower = self.mean - 2.0 * self.error() > self.slower_from();
            return Some(match slower && self.is_mostly_slower() {
                true => Tier::Baseline,
                false => Tier::Optimizer,
            });
        }
        match self.count >= MIN_BLOCKS {
            true if low > self.slower_from() && self.is_mostly_slower() => Some(Tier::Baseline),
            true if high < NOT_SLOWER.ln() => Some(Tier::Optimizer),
            _ => None,
        }
    }

    /// The logarithm of the ratio above which optimized code is slower.
    fn slower_from(&self) -> f64 {
        let call = self.times[Tier::Baseline as usize].max(1) as f64 / self.calls.max(1) as f64;
        SLOWER.max(1.0 + COUNTER / call).ln()
    }

    /// Whether so many blocks were slower as would be with equal code in one of 100 trials.
    fn is_mostly_slower(&self) -> bool {
        let count = f64::from(self.count);
        f64::from(self.slower) - count / 2.0 >= 1.3 * count.sqrt()
    }

    /// Whether optimized code is faster as far as few blocks can tell.
    fn is_probably_faster(&self) -> bool {
        self.count >= 2 && self.mean + 2.0 * self.error() < 0.0
    }

    fn finding(&self, better: Tier) -> Finding {
        let margin = 2.0 * self.error();
        let [baseline, optimized] = self.times.map(Nanos);
        Finding {
            better,
            calls: self.calls,
            baseline,
            optimized,
            ratio: self.mean.exp(),
            interval: ((self.mean - margin).exp(), (self.mean + margin).exp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Nanos = Nanos(100_000);

    /// A program whose calls take as long as `cost` says for the tier and the number of the call.
    struct Program<C> {
        cost: C,
        called: u64,
        windows: Vec<(Tier, u32)>,
    }

    impl<C: FnMut(Tier, u64) -> f64> Program<C> {
        fn new(cost: C) -> Self {
            Self {
                cost,
                called: 0,
                windows: Vec::new(),
            }
        }

        fn run(&mut self, tier: Tier, calls: u32) -> Nanos {
            self.windows.push((tier, calls));
            let time = (0..calls).map(|_| {
                self.called += 1;
                (self.cost)(tier, self.called)
            });
            Nanos(time.sum::<f64>() as u64)
        }

        /// Runs the trial to its end.
        fn trial(&mut self, seed: u64, ask: impl Fn(Ask) -> bool) -> Finding {
            let mut trial = Trial::new(seed, TARGET);
            let mut step = trial.first();
            for _ in 0..10_000 {
                let time = match step {
                    Step::Measure { tier, calls } => self.run(tier, calls),
                    Step::NeedBaseline { calls } => {
                        trial.provide_baseline();
                        self.run(Tier::Optimizer, calls)
                    }
                    Step::End(finding) => return finding,
                    Step::GiveUp | Step::PutOff => panic!("every window was measured"),
                };
                step = trial.window(time, &ask);
            }
            panic!("the trial does not end");
        }
    }

    fn by_tier(tier: Tier, baseline: f64, optimized: f64) -> f64 {
        match tier {
            Tier::Baseline => baseline,
            Tier::Optimizer => optimized,
        }
    }

    #[test]
    fn slower_code_is_found_and_faster_code_stays() {
        for (optimized, better) in [(150.0, Tier::Baseline), (60.0, Tier::Optimizer)] {
            let mut program = Program::new(|tier, _| by_tier(tier, 100.0, optimized));
            let finding = program.trial(1, |_| true);
            assert_eq!(finding.better, better);
            assert!(
                (finding.ratio - optimized / 100.0).abs() < 0.01,
                "{finding:?}"
            );
            assert!(program.windows.len() < 40, "{:?}", program.windows);
        }
    }

    #[test]
    fn windows_have_their_time_and_both_tiers_the_same_calls() {
        let mut program = Program::new(|tier, _| by_tier(tier, 100.0, 100.0));
        program.trial(1, |_| true);
        let windows = &program.windows[program.windows.len() - 4 * MIN_BLOCKS as usize..];
        for block in windows.chunks(4) {
            let tiers = [0, 1, 2, 3].map(|window| block[window].0);
            assert!(tiers[0] == tiers[3] && tiers[1] == tiers[2] && tiers[0] != tiers[1]);
            assert!(block.iter().all(|window| window.1 == block[0].1));
            assert!((500..2_000).contains(&block[0].1), "{windows:?}");
        }
        // Calls that take longer than a window are measured one by one.
        let mut program = Program::new(|tier, _| by_tier(tier, 1e7, 1e7));
        program.trial(1, |_| true);
        assert_eq!(program.windows.last().unwrap().1, 1);
    }

    #[test]
    fn either_tier_begins_as_often() {
        let blocks = (0..100).flat_map(|seed| {
            let mut program = Program::new(|tier, _| by_tier(tier, 100.0, 100.0));
            program.trial(seed, |_| true);
            let windows = program
                .windows
                .split_off(program.windows.len() - 4 * MIN_BLOCKS as usize);
            windows
                .chunks(4)
                .map(|block| block[0].0)
                .collect::<Vec<_>>()
        });
        let baseline = blocks.filter(|&tier| tier == Tier::Baseline).count();
        assert!((300..400).contains(&baseline), "{baseline} of 700");
    }

    /// The work of a call varies tenfold, with the call's number or at random: of code that is no
    /// slower few trials may say it is, and of code that is slower by half many must.
    #[test]
    fn work_that_varies_deceives_seldom() {
        let sent_back = |optimized: f64, work: fn(u64, &mut fastrand::Rng) -> f64| {
            let mut rng = fastrand::Rng::with_seed(3);
            let trials = (0..200).map(|seed| {
                let cost = |tier, n| by_tier(tier, 1.0, optimized) * work(n, &mut rng);
                Program::new(cost).trial(seed, |_| true).better
            });
            trials.filter(|&better| better == Tier::Baseline).count()
        };
        let random = |_, rng: &mut fastrand::Rng| 1e4 + 9e4 * rng.f64();
        let alternating =
            |n: u64, _: &mut fastrand::Rng| if n.is_multiple_of(2) { 1e5 } else { 1e6 };
        let phases = |n: u64, _: &mut fastrand::Rng| {
            if (n / 300).is_multiple_of(2) {
                1e4
            } else {
                1e5
            }
        };
        for work in [random, alternating, phases] {
            assert!(sent_back(1.0, work) <= 10, "{}", sent_back(1.0, work));
            assert_eq!(sent_back(0.8, work), 0);
            assert!(sent_back(1.5, work) >= 60, "{}", sent_back(1.5, work));
        }
    }

    #[test]
    fn what_the_counter_may_cause_does_not_decide() {
        let better = |optimized| {
            let mut program = Program::new(|tier, _| by_tier(tier, 2.0, optimized));
            program.trial(1, |_| true).better
        };
        assert_eq!(better(2.4), Tier::Optimizer);
        assert_eq!(better(2.6), Tier::Baseline);
    }

    #[test]
    fn an_outlier_does_not_decide() {
        let mut program = Program::new(|tier, n| {
            let other = if n.is_multiple_of(50_000) { 5e6 } else { 0.0 };
            by_tier(tier, 100.0, 100.0) + other
        });
        assert_eq!(program.trial(1, |_| true).better, Tier::Optimizer);
    }

    /// A machine that takes the processor away for 3 ms now and then, at random: a window in eight.
    #[test]
    fn a_disturbed_machine_deceives_seldom() {
        let sent_back = |optimized: f64| {
            let mut rng = fastrand::Rng::with_seed(5);
            let trials = (0..200).map(|seed| {
                let cost = |tier, _| {
                    let taken = if rng.u32(0..8_000) == 0 { 3e6 } else { 0.0 };
                    by_tier(tier, 100.0, optimized * 100.0) + taken
                };
                Program::new(cost).trial(seed, |_| true).better
            });
            trials.filter(|&better| better == Tier::Baseline).count()
        };
        assert!(sent_back(1.0) <= 10, "{}", sent_back(1.0));
        assert!(sent_back(1.5) >= 150, "{}", sent_back(1.5));
    }

    #[test]
    fn what_can_not_be_afforded_is_not_measured() {
        let mut trial = Trial::new(1, TARGET);
        let mut step = trial.first();
        for _ in 0..100 {
            let calls = match step {
                Step::Measure { tier, calls } => {
                    assert_eq!(tier, Tier::Optimizer);
                    calls
                }
                Step::NeedBaseline { calls } => {
                    trial.provide_baseline();
                    calls
                }
                Step::PutOff => return assert_eq!(trial.cost(), 0),
                Step::End(_) | Step::GiveUp => panic!("{step:?}"),
            };
            // It would cost half of a window.
            step = trial.window(Nanos(u64::from(calls) * 100), |ask| match ask {
                Ask::Turn => true,
                Ask::Loss(loss) => loss.0 < 40_000,
            });
        }
        panic!("the trial is not put off");
    }

    /// What a call costs changes while the trial waits for its turn; windows must not get short.
    #[test]
    fn windows_of_pauses_follow_the_program() {
        let mut program = Program::new(|_, n| if n < 1000 { 1e6 } else { 20.0 });
        let mut trial = Trial::new(1, TARGET);
        let mut step = trial.first();
        let mut windows = 0;
        while program.called < 1_000_000 {
            let calls = match step {
                Step::Measure { calls, .. } => calls,
                Step::NeedBaseline { calls } => {
                    // It takes a while.
                    if program.called > 100 {
                        trial.provide_baseline();
                    }
                    calls
                }
                Step::End(_) | Step::GiveUp | Step::PutOff => panic!("{step:?}"),
            };
            let time = program.run(Tier::Optimizer, calls);
            step = trial.window(time, |_| false);
            windows += 1;
        }
        assert!(windows < 350, "{windows}");
    }

    #[test]
    fn baseline_code_is_measured_when_it_is_the_trials_turn() {
        let mut trial = Trial::new(1, TARGET);
        trial.stage = Stage::Pause;
        (trial.calls, trial.running) = (100, 100);
        let not_now = trial.window(TARGET, |ask| ask != Ask::Turn);
        let (tier, calls) = (Tier::Optimizer, 100 * PAUSE);
        assert_eq!(not_now, Step::Measure { tier, calls });
        let pause = Nanos(TARGET.0 * u64::from(PAUSE));
        let Step::Measure { calls, .. } = trial.window(pause, |_| true) else {
            panic!("{trial:?}");
        };
        assert_eq!(calls, 100);
    }

    #[test]
    fn windows_that_come_to_nothing_end_the_trial() {
        let mut trial = Trial::new(1, TARGET);
        let ends = (0..=MAX_VOID).any(|_| trial.window_void(|_| true) == Step::GiveUp);
        assert!(ends);
    }
}
