//! Tests of writing a log's file and reading it back.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use upshift_abi::{DefinedFuncIndex, ModuleFacts};

use super::*;
use crate::file::EventFile;
use crate::format::{ClockUnit, FunctionRow, Machine};
use crate::key::{FuncKey, ModuleKey};
use crate::log::{Detail, EventLog, LogConfig};
use crate::random::{self, Random as _};
use crate::stats::Stats;

/// A file that is removed when the test ends.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let name = format!("upshift-log-{}-{name}.ndjson", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left is in the system's folder for such files.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn header_line() -> String {
    let header = Header {
        format: FORMAT,
        ..Header::default()
    };
    serde_json::to_string(&header).unwrap() + "\n"
}

fn facts(text: &str) -> Arc<ModuleFacts> {
    let wasm = wat::parse_str(text).unwrap();
    Arc::new(upshift_abi::facts::decode(&wasm).unwrap().facts)
}

fn storing(capacity: Option<usize>) -> EventLog {
    EventLog::new(&LogConfig {
        detail: Detail::Events,
        capacity,
    })
}

/// Every kind of event, with random fields, is read as it was written.
#[test]
fn records_survive_a_file() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut text = header_line();
    let mut records = Vec::new();
    for _ in 0..200 {
        for kind in 0..Event::NAMES.len() {
            let record = random::record(kind, &mut rng);
            assert_eq!(record.event.name(), Event::NAMES[kind]);
            text += &serde_json::to_string(&record).unwrap();
            text.push('\n');
            records.push(record);
        }
    }
    records.sort_by_key(|record| record.at);
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(file.faults, []);
    assert_eq!(file.records, records);
}

#[test]
fn totals_survive_json() {
    let mut rng = fastrand::Rng::with_seed(8);
    for _ in 0..100 {
        let stats = Stats::random(&mut rng);
        let json = serde_json::to_string(&stats).unwrap();
        assert_eq!(serde_json::from_str::<Stats>(&json).unwrap(), stats);
    }
}

#[test]
fn a_log_is_read_from_the_file_that_it_wrote() {
    let header = Header {
        format: FORMAT,
        upshift: "1.2.3".into(),
        pid: 7,
        settings: vec![("threads".into(), "2".into())],
        policy: "never".into(),
        machine: Machine::current(),
        seed: Some(u64::MAX),
        clock: ClockUnit::Units,
        ..Header::default()
    };
    let path = Temporary::new("written");
    let log = storing(None);
    let out = EventFile::new(File::create(&path.0).unwrap(), &header);
    out.attach(&log);
    let module = log.add_module(&facts(r#"(module (func) (func (export "second")))"#));
    log.identify_module(module, b"abc");
    let func = |n| FuncKey {
        module,
        func: DefinedFuncIndex(n),
    };
    for n in [1, 0] {
        log.record(|| Event::FirstCall { func: func(n) });
    }
    log.collect();
    out.finish().unwrap();
    let file = read(std::io::BufReader::new(File::open(&path.0).unwrap())).unwrap();
    assert_eq!(file.faults, []);
    assert_eq!(file.header, header);
    assert_eq!(file.records, log.records());
    assert_eq!(file.records.len(), 4);
    assert_eq!(file.names.of(func(1)), "second");
    assert_eq!(file.names.of(func(0)), "func[0]");
    let Event::ModuleIdentified { sha256, .. } = &file.records[1].event else {
        panic!("{:?}", file.records[1]);
    };
    // The standard's example.
    assert!(
        sha256.starts_with("ba7816bf8f01cfea414140de5dae2223"),
        "{sha256}"
    );
}

#[test]
fn broken_lines_are_reported_and_unknown_ones_passed_over() {
    let rows = vec![FunctionRow::default(); 2];
    let module = ModuleLine {
        module: ModuleKey(0),
        functions: rows,
    };
    let mut rng = fastrand::Rng::with_seed(9);
    let record = serde_json::to_string(&random::record(0, &mut rng)).unwrap();
    let later = record.replacen('{', r#"{"later":{"x":[1]},"#, 1);
    let lines = [
        serde_json::to_string(&module).unwrap(),
        later,
        r#"{"at":1,"cpu":1,"thread":0,"event":"from-later","x":1}"#.into(),
        r#"{"at":1,"cpu":1,"thread":0,"event":"first-call"}"#.into(),
        String::new(),
        "\u{0}".into(),
        record.clone(),
        record[..record.len() / 2].into(),
    ];
    let text = header_line() + &lines.join("\n");
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(file.records.len(), 2);
    assert_eq!(file.unknown, 1);
    let numbers: Vec<_> = file.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(numbers, [5, 6, 7, 9]);
    assert!(
        file.faults[0]
            .to_string()
            .starts_with("line 5: missing field `func`")
    );
}

#[test]
fn other_files_are_refused() {
    let refused = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
    assert!(refused("").contains("no event log"));
    assert!(refused("{\"at\":1}\n").contains("no event log"));
    assert_eq!(
        refused("{\"format\":2}\n"),
        "its format is 2; this version reads 3"
    );
}

/// Any prefix of a file is a log: its lines are whole but perhaps for the last.
#[test]
fn files_may_end_anywhere() {
    let mut rng = fastrand::Rng::with_seed(10);
    let mut text = header_line();
    let head = text.len();
    for kind in 0..Event::NAMES.len() {
        text += &serde_json::to_string(&random::record(kind, &mut rng)).unwrap();
        text.push('\n');
    }
    for end in head..text.len() {
        let file = read(&text.as_bytes()[..end]).unwrap();
        let whole = text.as_bytes()[head..end]
            .iter()
            .filter(|&&b| b == b'\n')
            .count();
        assert!(file.broken <= 1 && file.records.len() >= whole, "{end}");
    }
}

/// A disk that is full, here a device that always is, is one error, and the log goes on.
#[test]
fn a_full_disk_is_reported_once() {
    let log = storing(Some(0));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let out = EventFile::new(full, &Header::default());
    out.attach(&log);
    log.add_module(&facts("(module)"));
    log.collect();
    let error = out.finish().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    out.finish().unwrap();
    assert_eq!(log.stats().modules_loaded, 1);
}
