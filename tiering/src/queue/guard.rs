//! A discipline whose panics end nothing: embedders write disciplines, and the threads that ask
//! them hold requests that must not be lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use upshift_profiler::Nanos;

use super::{Discipline, Fifo, Next, Waiting, next};
use crate::sync::{AtomicU64, Ordering};

/// The discipline of an engine. A choice that panics is made by [`Fifo`] instead, is counted, and
/// the first one is warned of.
#[derive(Debug)]
pub(crate) struct Guarded {
    discipline: Arc<dyn Discipline>,
    /// Whether the discipline watches; asked once.
    watches: bool,
    /// How many choices have panicked. Relaxed: a figure for reports.
    panics: AtomicU64,
}

impl Guarded {
    pub(crate) fn new(discipline: Arc<dyn Discipline>) -> Self {
        let watches = catch_unwind(AssertUnwindSafe(|| discipline.watches()));
        let guarded = Self {
            watches: *watches.as_ref().unwrap_or(&false),
            discipline,
            panics: AtomicU64::new(0),
        };
        if watches.is_err() {
            guarded.panicked();
        }
        guarded
    }

    pub(crate) fn watches(&self) -> bool {
        self.watches
    }

    /// What becomes of the requests that wait: [`next`], by this discipline.
    pub(crate) fn next(&self, stale: Option<Nanos>, waiting: &[Waiting]) -> Option<Next> {
        let chosen = AssertUnwindSafe(|| next(&*self.discipline, stale, waiting));
        catch_unwind(chosen).unwrap_or_else(|_| {
            self.panicked();
            next(&Fifo {}, stale, waiting)
        })
    }

    /// How many choices have panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn panicked(&self) {
        if self.panics.fetch_add(1, Ordering::Relaxed) == 0 {
            log::warn!("a queue's discipline panicked: fifo chooses where it does");
        }
    }
}
