//! The tiers that a ladder can be made of, by name: the one list from which options, help and
//! compilers come.
//!
//! A tier is a compiler with options. A new one is a row here.

use std::sync::Arc;

use anyhow::anyhow;
use upshift_abi::Compiler;
use upshift_baseline::{Ablation, Baseline, BaselineOptions};
use upshift_knobs::types::Type;
use upshift_knobs::{Shape, Value, Values};
use upshift_optimizer::{OptLevel, Optimizer, OptimizerOptions, Regalloc};
use upshift_tiering::{Ladder, Rung};

use crate::{Config, Result};

/// A tier by name.
struct Row {
    name: &'static str,
    make: fn(&Config) -> Result<Arc<dyn Compiler>>,
}

macro_rules! tiers {
    ($($name:literal => $make:expr;)*) => {
        const ROWS: &[Row] = &[$(Row { name: $name, make: $make },)*];
        const NAMES: &[&str] = &[$($name),*];
    };
}

tiers! {
    // One pass, as `-C` says: what a function starts in.
    "baseline" => |config| Ok(Arc::new(Baseline::new(config.baseline)));
    // The same compiler with each of its optimizations off, to widen the gap to what is above it:
    // every local stays in memory, constants are loaded, comparisons make values.
    "naive" => |config| Ok(Arc::new(Baseline::new(BaselineOptions {
        ablation: Ablation::NONE,
        ..config.baseline
    })));
    // Cranelift, as `-C` says.
    "cranelift" => |config| optimizer(config, |_| {});
    // Cranelift without its mid-end.
    "cranelift-none" => |config| optimizer(config, |options| options.opt_level = OptLevel::None);
    // Cranelift without its mid-end and with its fast register allocator.
    "cranelift-fast" => |config| optimizer(config, |options| {
        options.opt_level = OptLevel::None;
        options.regalloc = Regalloc::SinglePass;
    });
    // Cranelift with its mid-end.
    "cranelift-speed" => |config| optimizer(config, |options| options.opt_level = OptLevel::Speed);
}

fn optimizer(
    config: &Config,
    change: impl FnOnce(&mut OptimizerOptions),
) -> Result<Arc<dyn Compiler>> {
    let mut options = config.optimizer.clone();
    change(&mut options);
    Ok(Arc::new(Optimizer::new(options)?))
}

/// The tiers of an engine by name, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tiers(pub(crate) Vec<Box<str>>);

impl Default for Tiers {
    /// The baseline and Cranelift.
    fn default() -> Self {
        Self(vec!["baseline".into(), "cranelift".into()])
    }
}

impl Tiers {
    /// The ladder of these tiers with the configuration's options.
    ///
    /// # Errors
    ///
    /// If there is no tier of a name, or the ladder is not possible.
    pub(crate) fn ladder(&self, config: &Config) -> Result<Ladder> {
        let rung = |name: &str| {
            let row = ROWS.iter().find(|row| row.name == name);
            let row = row.ok_or_else(|| anyhow!("{}", unknown(name)))?;
            Ok(Rung {
                name: name.into(),
                compiler: (row.make)(config)?,
            })
        };
        let rungs: Result<Vec<Rung>> = self.0.iter().map(|name| rung(name)).collect();
        Ok(Ladder::new(rungs?)?)
    }
}

fn unknown(name: &str) -> String {
    let advice = upshift_knobs::did_you_mean(name, NAMES.iter().copied());
    format!(
        "there is no tier `{name}` (there are {}){advice}",
        NAMES.join(", ")
    )
}

/// What the option takes.
pub(crate) const TIERS: Type<Tiers> = Type {
    values: Values::of(Shape::List(NAMES)),
    read: |value| match value {
        Value::List(rows) => Tiers(rows.into_iter().map(|row| NAMES[row].into()).collect()),
        _ => Tiers::default(),
    },
    show: |tiers| Value::Text(tiers.0.join("+")),
};
