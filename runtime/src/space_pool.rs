//! The spaces of instances that have ended, kept for later instances of the same modules (see
//! `store::instance_space`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use upshift_abi::ModuleFacts;

use crate::error::RuntimeError;
use crate::module_id::ModuleId;
use crate::space::reserve_memory;
use crate::sys::{Process, Reservation};

/// The spaces of a runtime that no instance uses.
#[derive(Debug)]
pub(crate) struct SpacePool {
    process: Process,
    /// The most spaces that are kept.
    keep: usize,
    /// Those kept for longest are first.
    idle: Mutex<VecDeque<Spare>>,
}

/// A space of instances of one module, as it is before anything is written into it.
#[derive(Debug)]
pub(crate) struct Spare {
    pub module: ModuleId,
    pub space: Reservation,
    /// Whether the module's image is mapped over the memory.
    pub has_image: bool,
}

impl SpacePool {
    pub fn new(process: Process, keep: usize) -> Self {
        Self {
            process,
            keep,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Spare>> {
        // A list is as good after a panic as before.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the space that was kept last for the module.
    pub fn take(&self, module: ModuleId) -> Option<Spare> {
        let mut idle = self.idle();
        let newest = idle.iter().rposition(|spare| spare.module == module)?;
        idle.remove(newest)
    }

    /// Keeps a space, in the place of the one that was kept for longest if there are too many.
    pub fn put(&self, spare: Spare) {
        let mut idle = self.idle();
        let oldest = match idle.len() < self.keep {
            true => None,
            false => idle.pop_front(),
        };
        idle.push_back(spare);
        drop(idle);
        drop(oldest);
    }

    /// Whether spaces are kept by this process.
    pub fn keeps(&self) -> bool {
        self.keep > 0 && self.process.is_current()
    }

    /// Unmaps the spaces of a module, and with them what is mapped there.
    pub fn forget(&self, module: ModuleId) {
        // In a forked child, a thread that is not there may hold the lock.
        if !self.process.is_current() {
            return;
        }
        let mut idle = self.idle();
        let (gone, kept): (VecDeque<_>, _) =
            idle.drain(..).partition(|spare| spare.module == module);
        *idle = kept;
        drop(idle);
        drop(gone);
    }

    /// Unmaps all spaces; whether there were any.
    fn clear(&self) -> bool {
        let all = std::mem::take(&mut *self.idle());
        !all.is_empty()
    }

    /// Reserves a space for an instance: where the system refuses, with what the pool has kept.
    ///
    /// # Errors
    ///
    /// If the system refuses all the same.
    pub fn reserve(&self, facts: &ModuleFacts) -> Result<Reservation, RuntimeError> {
        let reserve = || match facts.plan.behind_context() {
            Some((style, distance, _)) => reserve_memory(style, distance as usize),
            None => Reservation::new(facts.layout.context_bytes() as usize),
        };
        reserve().or_else(|error| match self.clear() {
            true => reserve(),
            false => Err(error),
        })
    }
}

/// Unmaps what a pool has kept for a module when that is dropped.
#[derive(Debug)]
pub(crate) struct ForgetOnDrop(pub Arc<SpacePool>, pub ModuleId);

impl Drop for ForgetOnDrop {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}
