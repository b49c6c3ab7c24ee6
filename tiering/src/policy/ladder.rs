//! What policies of engines with more than two kinds of code share: which of an engine's thresholds
//! stands before which level, and the counts since a function's code is of its level.

use super::{Level, Memo, PolicyEvent, View};

/// Which of an engine's steps leads from the level of a function's code to the next.
///
/// Engines have two: from an interpreter to quick code, and from that to good code. The last step
/// of any ladder is the second; with two levels it is the only one. All steps before it are the
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To quick code.
    Quick,
    /// To the best code.
    Best,
}

impl Step {
    pub(super) fn of(view: &View) -> Self {
        match next_level(view) >= view.top() {
            true => Step::Best,
            false => Step::Quick,
        }
    }
}

/// The level above that of the function's code; at the top, the top itself.
pub(super) fn next_level(view: &View) -> Level {
    view.level.next().min(view.top())
}

/// The calls and iterations that code of the function's level has counted. The first two words of
/// the memo hold what had been counted when that code was published. Code of the top level counts
/// nothing: from then on it is the old code of the level before, in running loops.
pub(super) fn counted(memo: &mut Memo, event: PolicyEvent, view: &View) -> (u64, u64) {
    if matches!(event, PolicyEvent::Published(level) if level < view.top()) {
        memo.words[..2].copy_from_slice(&[view.calls, view.iterations]);
    }
    let calls = view.calls.saturating_sub(memo.words[0]);
    (calls, view.iterations.saturating_sub(memo.words[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_begin_anew_at_each_level() {
        let mut memo = Memo::default();
        let view = View {
            calls: 10,
            iterations: 20,
            levels: 3,
            ..View::default()
        };
        assert_eq!(counted(&mut memo, PolicyEvent::Entry, &view), (10, 20));
        assert_eq!(Step::of(&view), Step::Quick);
        let published = PolicyEvent::Published(Level(1));
        assert_eq!(counted(&mut memo, published, &view), (0, 0));
        let later = View {
            calls: 15,
            iterations: 27,
            level: Level(1),
            ..view
        };
        assert_eq!(counted(&mut memo, PolicyEvent::Entry, &later), (5, 7));
        assert_eq!(Step::of(&later), Step::Best);
        let top = View {
            level: Level(2),
            ..later
        };
        assert_eq!(next_level(&top), Level(2));
    }
}
