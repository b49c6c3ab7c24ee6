//! Tests of functions with a policy of their own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use upshift_profiler::EventLog;

use super::*;
use crate::{ConfigError, TieringConfig, pool};

/// A file with this text, whose name has this number in it; removed when dropped.
struct TextFile(PathBuf);

impl TextFile {
    fn new(number: u32, text: &str) -> Self {
        let name = format!("upshift-override-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn config(file: &TextFile) -> TieringConfig {
    let mut config = TieringConfig::default();
    config.set("switching", "sync").unwrap();
    config.set("policy", "fixed-budget:units=100").unwrap();
    config.set("override", file.0.to_str().unwrap()).unwrap();
    config
}

#[test]
fn functions_have_policies_of_their_own() {
    let file = TextFile::new(
        1,
        "[[function]]\nindex = 0\nnever = true\n\
         [[function]]\nindex = 1\nfirst = true\n\
         [[function]]\nindex = 2\nthreshold = 1000",
    );
    let optimizer = FakeCompiler::new(Tier::Optimizer);
    let rig = Rig::of(4, config(&file), optimizer, None, Box::new(pool::spawn));
    let call = |func, times| {
        for _ in 0..times {
            rig.call(func, 0);
        }
    };
    (0..4).for_each(|func| call(func, 1));
    let phases = || [0, 1, 2, 3].map(|func| phase(&rig, func));
    use Phase::{Baseline, Optimized};
    assert_eq!(phases(), [Baseline, Optimized, Baseline, Baseline]);
    (0..4).for_each(|func| call(func, 200));
    assert_eq!(phases(), [Baseline, Optimized, Baseline, Optimized]);
    call(2, 2_000);
    assert_eq!(phases(), [Baseline, Optimized, Optimized, Optimized]);
    let policy = rig.tiers.policy(DefinedFuncIndex(2)).spec();
    assert_eq!(policy, "fixed-budget:units=1000:slices=4");
}

#[test]
fn a_file_that_makes_no_sense_is_refused_with_its_line() {
    let file = TextFile::new(2, "# Functions\n[[function]]\nindex = 0\nnevr = true\n");
    let rungs = [Tier::Baseline, Tier::Optimizer].map(|tier| Rung {
        name: tier.to_string().into(),
        compiler: FakeCompiler::new(tier),
    });
    let log = Arc::new(EventLog::default());
    let created = Tiering::new(config(&file), Ladder::new(rungs).unwrap(), log);
    let Err(ConfigError::Override(problem)) = created else {
        panic!("the file makes no sense");
    };
    let problem = problem.strip_prefix(file.0.to_str().unwrap()).unwrap();
    assert_eq!(
        problem,
        ": line 4: there is no key `nevr`; did you mean `never`?"
    );
}
