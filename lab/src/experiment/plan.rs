//! The cells of an experiment: every program with every combination of settings.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{BY, Experiment, Lists, Mode, SOURCES, Settings, Stop};

/// The most cells of a plan, and the most processes of all its cells together.
pub const MAX_CELLS: usize = 5_000_000;

/// What identifies a cell in results: a digest of its program, its settings and whatever else
/// changes its measurements. The same in each run of the same experiment, on each machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u64);

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for CellId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        id.map(Self)
            .ok_or_else(|| format!("`{text}` is no id of a cell"))
    }
}

/// A program with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its id.
    pub id: CellId,
    /// The program's name.
    pub program: String,
    /// The settings.
    pub settings: Settings,
}

/// The cells of an experiment, by ascending id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The cells.
    pub cells: Vec<Cell>,
}

/// Why an experiment has no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// It has too many cells.
    #[error("the grid has {0} combinations for each program; {MAX_CELLS} cells are possible")]
    TooMany(u128),
    /// Its cells have too many processes.
    #[error("{cells} cells with {each} processes each; {MAX_CELLS} processes are possible")]
    Processes {
        /// The cells.
        cells: usize,
        /// The processes of each, at most.
        each: u32,
    },
    /// It has none: without programs, or everything is excluded.
    #[error("the experiment has no cells: no programs, or `exclude` leaves nothing")]
    Empty,
}

/// A part of a plan: the cells whose id leaves a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The remainder, from 0.
    pub index: u64,
    /// The number of parts.
    pub of: u64,
}

impl Shard {
    /// All cells.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Whether the cell is in this part. Each cell is in one of them.
    pub fn has(self, id: CellId) -> bool {
        id.0 % self.of == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let numbers = parts.map(|(index, of)| (index.trim().parse(), of.trim().parse()));
        match numbers {
            Some((Ok(index), Ok(of))) if index < of => Ok(Self { index, of }),
            Some((Ok(index), Ok(of))) => Err(format!(
                "there is no shard {index} of {of}: shards are counted from 0"
            )),
            _ => Err(format!(
                "`{text}` is no shard; `3/16` is the fourth of sixteen"
            )),
        }
    }
}

impl Plan {
    /// The cells of one part.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.cells.retain(|cell| shard.has(cell.id));
        self
    }

    /// The cells that are simulated, or those that are measured by the clock.
    #[must_use]
    pub fn of(&self, which: impl Fn(&Settings) -> bool) -> Plan {
        let cells = self.cells.iter().filter(|cell| which(&cell.settings));
        Plan {
            cells: cells.cloned().collect(),
        }
    }

    /// The cell with this id.
    pub fn find(&self, id: CellId) -> Option<&Cell> {
        let found = self.cells.binary_search_by_key(&id, |cell| cell.id).ok()?;
        Some(&self.cells[found])
    }
}

impl Experiment {
    /// The cells: for each program the grid without what is excluded, and the same with the base's
    /// settings in their place. None twice, and none for an imported experiment.
    ///
    /// # Errors
    ///
    /// If there are none or too many.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        if self.measure.mode == Mode::Imported {
            return Ok(Plan::default());
        }
        let all = self.combinations()?;
        let mut cells = BTreeMap::new();
        for program in &self.programs {
            for settings in &all {
                let id = self.id_of(&program.name, settings);
                cells.entry(id).or_insert_with(|| Cell {
                    id,
                    program: program.name.clone(),
                    settings: settings.clone(),
                });
            }
        }
        let cells: Vec<Cell> = cells.into_values().collect();
        let each = match self.measure.stop {
            Stop::Fixed => self.measure.processes,
            Stop::Interval { most, .. } => most,
        };
        match cells.len() {
            0 => Err(PlanError::Empty),
            cells if cells.saturating_mul(each as usize) > MAX_CELLS => {
                Err(PlanError::Processes { cells, each })
            }
            _ => Ok(Plan { cells }),
        }
    }

    /// The settings of each program's cells; one may be there twice. None for an imported
    /// experiment.
    pub(super) fn combinations(&self) -> Result<Vec<Settings>, PlanError> {
        if self.measure.mode == Mode::Imported {
            return Ok(Vec::new());
        }
        let count = |grid: &Lists| {
            let lengths = grid.iter().map(|(_, values)| values.len() as u128);
            lengths.fold(1_u128, u128::saturating_mul)
        };
        let mut grid = self.grid.clone();
        if self.measure.mode == Mode::Both {
            grid.push((BY.to_owned(), SOURCES.map(str::to_owned).to_vec()));
        }
        let base = self.base.as_ref().map(|base| with_base(&grid, base));
        let combinations = count(&grid) + base.as_ref().map_or(0, count);
        if combinations.saturating_mul(self.programs.len() as u128) > MAX_CELLS as u128 {
            return Err(PlanError::TooMany(combinations));
        }
        let mut all = combine(&grid);
        all.retain(|settings| !self.excludes(settings));
        // What is excluded is what is judged; the base stays, or there is nothing to compare with.
        all.extend(base.iter().flat_map(combine));
        Ok(all)
    }

    /// Whether settings are those of the base, whatever others they have.
    pub fn is_base(&self, settings: &Settings) -> bool {
        let base = self.base.as_ref();
        base.is_some_and(|base| base.iter().all(|pair| settings.get(pair.0) == Some(pair.1)))
    }

    fn excludes(&self, settings: &Settings) -> bool {
        self.exclude.iter().any(|lists| {
            lists.iter().all(|(name, values)| {
                let value = settings.get(name);
                value.is_some_and(|value| values.contains(value))
            })
        })
    }

    /// The id of a cell. Its parts are separated by what none of them can have, a zero byte.
    fn id_of(&self, program: &str, settings: &Settings) -> CellId {
        let measure = &self.measure;
        let mut text = format!("{:?}\0{}\0{program}", measure.mode, measure.seed);
        if measure.iterations > 1 {
            text += &format!("\0{} iterations", measure.iterations);
        }
        if matches!(measure.mode, Mode::Trace | Mode::Both) {
            text += &format!("\0{}", measure.effort);
        }
        for (name, value) in settings {
            text += &format!("\0{name}\0{value}");
        }
        let digest = Sha256::digest(text.as_bytes());
        let first = digest[..8].try_into().expect("a digest has 32 bytes");
        CellId(u64::from_be_bytes(first))
    }
}

/// The grid with the base's settings as the only values of their names.
fn with_base(grid: &Lists, base: &Settings) -> Lists {
    let mut lists: Lists = grid.clone();
    lists.retain(|(name, _)| !base.contains_key(name));
    let fixed = base.iter();
    lists.extend(fixed.map(|(name, value)| (name.clone(), vec![value.clone()])));
    lists
}

/// Each combination of one value of every list.
fn combine(lists: &Lists) -> Vec<Settings> {
    let mut all = vec![Settings::new()];
    for (name, values) in lists {
        let with = |settings: &Settings, value: &String| {
            let mut settings = settings.clone();
            settings.insert(name.clone(), value.clone());
            settings
        };
        all = all
            .iter()
            .flat_map(|settings| values.iter().map(move |value| with(settings, value)))
            .collect();
    }
    all
}
