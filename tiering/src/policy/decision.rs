//! What a policy answers: what to request, when to ask again, and why.

use std::fmt;

use upshift_profiler::Nanos;

/// A level of code, by its place in the ladder of an engine: 0 is the code that a function starts
/// in, higher ones take longer to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub u8);

impl Level {
    /// The level that a function starts in.
    pub const FIRST: Level = Level(0);

    /// The level above.
    pub fn next(self) -> Level {
        Level(self.0.saturating_add(1))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much work a function may do until the policy is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// This many units: one for each entry and each back edge.
    Units(u32),
    /// Any amount: the policy is not asked again.
    Unlimited,
}

/// The coarse urgency of a request, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lane {
    /// For code that a thread needs in a loop that it is running now.
    Urgent,
    /// For functions that are hotter than most.
    High,
    /// For functions that have just become hot.
    Normal,
    /// For what is compiled only when no other request waits.
    Low,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Lane; 4] = [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low];

    /// The lane's name, as logged.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Urgent => "urgent",
            Lane::High => "high",
            Lane::Normal => "normal",
            Lane::Low => "low",
        }
    }
}

/// A request for code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// The level of the code. Where the ladder ends below, its highest level.
    pub level: Level,
    /// How urgent it is, coarsely. What queue disciplines make of it is theirs.
    pub lane: Lane,
    /// How urgent it is among requests of its lane, in the policy's own units: higher is earlier.
    pub priority: f64,
}

impl Request {
    /// A request of priority 0.
    pub fn new(level: Level, lane: Lane) -> Self {
        let priority = 0.0;
        Self {
            level,
            lane,
            priority,
        }
    }

    /// The request with this priority.
    pub fn with_priority(self, priority: f64) -> Self {
        Self { priority, ..self }
    }
}

/// Why a policy decided as it did: a phrase and up to four numbers, for logs and reports.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reason {
    text: &'static str,
    numbers: [(&'static str, f64); Reason::NUMBERS],
    len: u8,
}

impl Reason {
    /// The highest count of numbers.
    pub const NUMBERS: usize = 4;

    /// A reason in a few words, such as `"over threshold"`.
    pub const fn new(text: &'static str) -> Self {
        let numbers = [("", 0.0); Self::NUMBERS];
        Self {
            text,
            numbers,
            len: 0,
        }
    }

    /// The reason with one more number, under a short name such as `"threshold"`. A fifth number is
    /// left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        if let Some(number) = self.numbers.get_mut(usize::from(self.len)) {
            *number = (name, value);
            self.len += 1;
        }
        self
    }

    /// The words; empty where the policy gave none.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The numbers by name.
    pub fn numbers(&self) -> &[(&'static str, f64)] {
        &self.numbers[..usize::from(self.len)]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        for (i, (name, value)) in self.numbers().iter().enumerate() {
            let separator = if i == 0 { ": " } else { ", " };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

/// What a policy decides at an event.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The function's next budget: when to ask the policy again.
    pub budget: Budget,
    /// The request for the whole function, if it is to be optimized. Where one waits in the queue
    /// already, its lane and priority become these.
    pub function: Option<Request>,
    /// The request for an OSR entry of the event's loop, if one is to be made.
    pub osr: Option<Request>,
    /// Whether the function's request that waits in the queue, or that has just been taken from it,
    /// is dropped.
    pub withdraw: bool,
    /// After what time the function has a [`Wake`](super::PolicyEvent::Wake) event. It replaces an
    /// earlier one of this function that has not come yet; `None` leaves that as it is.
    pub wake: Option<Nanos>,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    /// The decision to request nothing until `budget` is used up.
    pub fn wait(budget: Budget) -> Self {
        Self {
            budget,
            function: None,
            osr: None,
            withdraw: false,
            wake: None,
            reason: Reason::new(""),
        }
    }

    /// Whether there is anything to do but to grant the budget.
    pub(crate) fn acts(&self) -> bool {
        self.function.is_some() || self.osr.is_some() || self.withdraw || self.wake.is_some()
    }

    /// The decision with a request for the whole function.
    #[must_use]
    pub fn with_function(self, request: Request) -> Self {
        let function = Some(request);
        Self { function, ..self }
    }

    /// The decision with a request for an OSR entry of the event's loop.
    #[must_use]
    pub fn with_osr(self, request: Request) -> Self {
        let osr = Some(request);
        Self { osr, ..self }
    }

    /// The decision with a wake-up after this time.
    #[must_use]
    pub fn with_wake(self, after: Nanos) -> Self {
        let wake = Some(after);
        Self { wake, ..self }
    }

    /// The decision to drop the function's waiting request, besides what it says otherwise.
    #[must_use]
    pub fn withdrawing(self) -> Self {
        let withdraw = true;
        Self { withdraw, ..self }
    }

    /// The decision with its reason.
    #[must_use]
    pub fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }
}

/// As logs and tables show it: `budget 250; function 1 normal 0; osr 1 urgent 0; withdraw; wake 7 |
/// worth it: work=1000`, where requests are level, lane and priority, and times nanoseconds.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.budget {
            Budget::Units(units) => write!(f, "budget {units}")?,
            Budget::Unlimited => f.write_str("budget unlimited")?,
        }
        for (what, request) in [("function", self.function), ("osr", self.osr)] {
            if let Some(Request {
                level,
                lane,
                priority,
            }) = request
            {
                write!(f, "; {what} {level} {} {priority}", lane.name())?;
            }
        }
        if self.withdraw {
            f.write_str("; withdraw")?;
        }
        if let Some(Nanos(after)) = self.wake {
            write!(f, "; wake {after}")?;
        }
        write!(f, " | {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_four_numbers_at_most() {
        let mut reason = Reason::new("over threshold");
        assert_eq!(reason.to_string(), "over threshold");
        for (name, value) in [("a", 1.0), ("b", 2.5), ("c", 3.0), ("d", 4.0), ("e", 5.0)] {
            reason = reason.with(name, value);
        }
        assert_eq!(reason.numbers().len(), Reason::NUMBERS);
        assert_eq!(reason.to_string(), "over threshold: a=1, b=2.5, c=3, d=4");
    }

    #[test]
    fn decisions_are_shown_on_one_line() {
        let request = Request::new(Level(1), Lane::High).with_priority(2.5);
        let decision = Decision::wait(Budget::Units(7))
            .with_function(request)
            .with_osr(Request::new(Level(1), Lane::Urgent))
            .with_wake(Nanos(9))
            .withdrawing()
            .because(Reason::new("asked").with("n", 1.0));
        let shown = "budget 7; function 1 high 2.5; osr 1 urgent 0; withdraw; wake 9 | asked: n=1";
        assert_eq!(decision.to_string(), shown);
        let never = Decision::wait(Budget::Unlimited);
        assert_eq!(never.to_string(), "budget unlimited | ");
    }
}
