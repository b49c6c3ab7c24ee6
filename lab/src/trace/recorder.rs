//! From snapshots of counters to slices.
//!
//! Code that is recorded subtracts from a 32-bit cell for each site; a thread beside it copies the
//! cells from time to time, and the guest does nothing for that. Here the copies become counts.

use super::{Count, Site, Slice};

/// What a cell counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The position of the function in [`Trace::functions`](super::Trace::functions).
    pub function: u32,
    /// The site.
    pub site: Site,
    /// What the code subtracts each time: at least 1.
    pub weight: u32,
}

/// Why a snapshot was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There are as many values as cells.
    #[error("{found} values of {cells} cells")]
    Length {
        /// Values that there are.
        found: usize,
        /// Cells that there are.
        cells: usize,
    },
    /// Time does not go back.
    #[error("a snapshot at {at} ns, after one at {before} ns")]
    Time {
        /// The snapshot's time.
        at: u64,
        /// The time of the one before.
        before: u64,
    },
    /// The host's time is part of the slice.
    #[error("{host} ns outside of WebAssembly, of {whole} ns")]
    Host {
        /// The host's time.
        host: u64,
        /// The slice's time.
        whole: u64,
    },
}

/// Makes slices of snapshots of cells.
///
/// Cells count down and wrap around. A difference is taken modulo 2^32, so what is counted between
/// two snapshots must be less than that: four seconds at a unit each nanosecond.
#[derive(Clone, Debug)]
pub struct Recorder {
    cells: Vec<Cell>,
    /// The cells' values at the last snapshot.
    values: Vec<u32>,
    /// What each cell had counted then of a unit that was not whole. A snapshot can be taken at any
    /// instruction, but a subtraction is one, so this is 0 unless cells are shared.
    rests: Vec<u32>,
    at: u64,
    slices: Vec<Slice>,
}

impl Recorder {
    /// A recorder whose first slice begins at `at` (in nanoseconds), with these values of the
    /// cells.
    ///
    /// # Errors
    ///
    /// If there are not as many values as cells.
    ///
    /// # Panics
    ///
    /// If a weight is 0, or the cells are not in ascending order of function and site.
    pub fn new(cells: Vec<Cell>, values: Vec<u32>, at: u64) -> Result<Self, SnapshotError> {
        let place = |cell: &Cell| (cell.function, cell.site);
        assert!(
            cells.is_sorted_by(|one, next| place(one) < place(next)),
            "cells are in order"
        );
        assert!(
            cells.iter().all(|cell| cell.weight > 0),
            "cells count something"
        );
        if cells.len() != values.len() {
            let (found, cells) = (values.len(), cells.len());
            return Err(SnapshotError::Length { found, cells });
        }
        Ok(Self {
            rests: vec![0; cells.len()],
            cells,
            values,
            at,
            slices: Vec::new(),
        })
    }

    /// Ends a slice at `at`, of which `host_ns` were spent outside of WebAssembly, and begins the
    /// next. Slices without counts become one.
    ///
    /// # Errors
    ///
    /// If the snapshot does not follow the one before; then it changes nothing.
    pub fn snapshot(&mut self, at: u64, host_ns: u64, values: &[u32]) -> Result<(), SnapshotError> {
        if values.len() != self.cells.len() {
            let (found, cells) = (values.len(), self.cells.len());
            return Err(SnapshotError::Length { found, cells });
        }
        let before = self.at;
        let whole = at
            .checked_sub(before)
            .ok_or(SnapshotError::Time { at, before })?;
        if host_ns > whole {
            let host = host_ns;
            return Err(SnapshotError::Host { host, whole });
        }
        let counts: Vec<Count> = (0..values.len())
            .filter_map(|number| self.count(number, values[number]))
            .collect();
        self.at = at;
        match self.slices.last_mut() {
            Some(last) if last.counts.is_empty() && counts.is_empty() => {
                last.to = at;
                last.host_ns += host_ns;
            }
            _ => self.slices.push(Slice {
                from: before,
                to: at,
                host_ns,
                counts,
            }),
        }
        Ok(())
    }

    /// The time of the last snapshot, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.at
    }

    /// The slices so far.
    pub fn finish(self) -> Vec<Slice> {
        self.slices
    }

    /// What a cell has counted since the last snapshot.
    fn count(&mut self, number: usize, value: u32) -> Option<Count> {
        let cell = self.cells[number];
        let used = std::mem::replace(&mut self.values[number], value).wrapping_sub(value);
        let used = u64::from(used) + u64::from(self.rests[number]);
        let weight = u64::from(cell.weight);
        self.rests[number] = (used % weight) as u32;
        let units = used / weight;
        (units > 0).then_some(Count {
            function: cell.function,
            site: cell.site,
            units,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: [Cell; 3] = [
        Cell {
            function: 0,
            site: 0,
            weight: 10,
        },
        Cell {
            function: 0,
            site: 1,
            weight: 5,
        },
        Cell {
            function: 2,
            site: 0,
            weight: 1,
        },
    ];

    fn counts(slice: &Slice) -> Vec<(u32, Site, u64)> {
        let counts = slice.counts.iter();
        counts
            .map(|count| (count.function, count.site, count.units))
            .collect()
    }

    #[test]
    fn differences_become_counts() {
        let mut recorder = Recorder::new(CELLS.to_vec(), vec![100, 0, 7], 50).unwrap();
        recorder.snapshot(60, 0, &[100, 0, 7]).unwrap();
        recorder.snapshot(70, 4, &[100, 0, 7]).unwrap();
        // 30 of 10; wrapped around, 10 of 5; nothing.
        recorder.snapshot(80, 1, &[70, u32::MAX - 9, 7]).unwrap();
        // 25 of 10 leave half a unit, which the next slice completes.
        recorder.snapshot(90, 0, &[45, u32::MAX - 9, 6]).unwrap();
        recorder.snapshot(95, 0, &[40, u32::MAX - 9, 6]).unwrap();
        let slices = recorder.finish();
        let times: Vec<_> = slices
            .iter()
            .map(|one| (one.from, one.to, one.host_ns))
            .collect();
        assert_eq!(times, [(50, 70, 4), (70, 80, 1), (80, 90, 0), (90, 95, 0)]);
        assert_eq!(counts(&slices[0]), []);
        assert_eq!(counts(&slices[1]), [(0, 0, 3), (0, 1, 2)]);
        assert_eq!(counts(&slices[2]), [(0, 0, 2), (2, 0, 1)]);
        assert_eq!(counts(&slices[3]), [(0, 0, 1)]);
    }

    #[test]
    fn no_unit_is_lost_however_cells_wrap() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..200 {
            let mut values = [0; 3].map(|_: u32| random.u32(..));
            let mut recorder = Recorder::new(CELLS.to_vec(), values.to_vec(), 0).unwrap();
            let mut sums = [0_u64; 3];
            for at in 1..30 {
                for (number, value) in values.iter_mut().enumerate() {
                    let units = random.u32(..) >> random.u32(4..32);
                    sums[number] += u64::from(units);
                    *value = value.wrapping_sub(units.wrapping_mul(CELLS[number].weight));
                }
                recorder.snapshot(at, 0, &values).unwrap();
            }
            let slices = recorder.finish();
            for (cell, sum) in CELLS.iter().zip(sums) {
                let own = slices.iter().flat_map(|slice| &slice.counts);
                let own = own.filter(|one| (one.function, one.site) == (cell.function, cell.site));
                assert_eq!(own.map(|count| count.units).sum::<u64>(), sum);
            }
        }
    }

    #[test]
    fn snapshots_that_do_not_follow_change_nothing() {
        let wrong = Recorder::new(CELLS.to_vec(), vec![1], 0).unwrap_err();
        assert_eq!(wrong, SnapshotError::Length { found: 1, cells: 3 });
        let mut recorder = Recorder::new(CELLS.to_vec(), vec![9; 3], 10).unwrap();
        let mut refused =
            |at, host, values: &[u32]| recorder.snapshot(at, host, values).unwrap_err().to_string();
        assert_eq!(refused(20, 0, &[0; 2]), "2 values of 3 cells");
        assert_eq!(
            refused(9, 0, &[0; 3]),
            "a snapshot at 9 ns, after one at 10 ns"
        );
        assert_eq!(
            refused(12, 3, &[0; 3]),
            "3 ns outside of WebAssembly, of 2 ns"
        );
        recorder.snapshot(20, 10, &[9, 9, 8]).unwrap();
        assert_eq!(recorder.finish().len(), 1);
    }
}
