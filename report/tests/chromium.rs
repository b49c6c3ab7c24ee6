//! The page in a browser: a made-up run with 20,000 functions, and its comparison with another.
//!
//! Chromium opens the page with `?test`, in which case the page goes through all of its parts and
//! leaves what it found in its document, which Chromium prints. Skipped where there is no Chromium
//! (Debian's package `chromium`); `UPSHIFT_CHROMIUM` names another program. `UPSHIFT_PICTURES`
//! names a folder for pictures of each part in light and dark.

use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use serde_json::Value;
use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex, Tier};
use upshift_profiler::decided::{Answer, Asked, Decided, LoopFigures, Trigger, ViewFigures};
use upshift_profiler::format::Header;
use upshift_profiler::reader::LogFile;
use upshift_profiler::{CodeKey, Event, FuncKey, ModuleKey, Nanos, Real, Record, ReqId};
use upshift_report::{Code, Input, Report};

const FUNCTIONS: u32 = 20_000;

fn chromium() -> Option<PathBuf> {
    let chosen = std::env::var_os("UPSHIFT_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .filter(|program| program.is_file());
    chosen.or_else(|| found.next())
}

/// Runs Chromium on a page, with a profile of its own.
fn browse(program: &Path, folder: &Path, arguments: &[String]) -> String {
    let profile = folder.join("profile");
    let output = Command::new(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=20000", "--window-size=1400,1000"])
        .args(arguments)
        .output()
        .expect("Chromium starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The time, and the records so far.
struct Run {
    rng: Rng,
    at: u64,
    records: Vec<Record>,
    queue: u32,
    threads: u32,
}

impl Run {
    fn push(&mut self, thread: u32, event: Event) {
        self.at += self.rng.u64(200..4_000);
        let (at, cpu) = (Nanos(self.at), Nanos(self.at / 2));
        self.records.push(Record {
            at,
            cpu,
            thread,
            event,
        });
    }

    fn compiled(&mut self, code: CodeKey, thread: u32) {
        let (code_bytes, time) = (self.rng.u32(40..9_000), self.rng.u64(2_000..90_000));
        let time = Nanos(time << (4 * u64::from(code.level)));
        self.at += if code.level == 0 { time.0 } else { 0 };
        self.push(
            thread,
            Event::CompileFinished {
                code,
                body_bytes: code_bytes / 3,
                code_bytes,
                time,
                cpu_time: time,
                queue_wait: Nanos(0),
                loops: None,
            },
        );
        let address = 0x10_000 + self.records.len() as u64 * 16_384;
        self.push(
            thread,
            match code.unit {
                CompileUnit::Function => Event::Published {
                    code,
                    address,
                    code_bytes,
                },
                CompileUnit::Loop(_) => Event::OsrReady {
                    code,
                    address,
                    code_bytes,
                },
            },
        );
    }

    /// The policy is asked about a function, and may request code.
    fn asked(&mut self, func: FuncKey, units: u64, level: Option<u8>) {
        let in_loop = self.rng.bool();
        let site = in_loop.then(|| LoopFigures {
            phase: "idle".into(),
            ..LoopFigures::default()
        });
        let asked = level.map(|level| Asked {
            level,
            lane: if in_loop { "urgent" } else { "normal" }.into(),
            priority: Real(0.0),
        });
        let decision = Decided {
            trigger: Trigger {
                name: if in_loop { "loop" } else { "entry" }.into(),
                site,
                ..Trigger::default()
            },
            view: ViewFigures {
                now: Nanos(self.at),
                units,
                calls: units / 7,
                phase: "baseline".into(),
                rate: Real(self.rng.f64() * 1e6),
                queue_length: self.queue,
                workers: self.threads,
                ..ViewFigures::default()
            },
            answer: Answer {
                budget: Some(250_000),
                function: asked.clone().filter(|_| !in_loop),
                osr: asked.filter(|_| in_loop),
                ..Answer::default()
            },
            reason: if level.is_some() {
                "worth it"
            } else {
                "not yet"
            }
            .into(),
            numbers: vec![
                ("work".into(), Real(units as f64)),
                ("threshold".into(), Real(1e6)),
            ],
            ..Decided::default()
        };
        let decision = Box::new(decision);
        self.push(0, Event::Decided { func, decision });
        let Some(level) = level else { return };
        let unit = match in_loop {
            true => CompileUnit::Loop(LoopIndex(0)),
            false => CompileUnit::Function,
        };
        let code = CodeKey::new(func, unit, Tier::Optimizer)
            .at_level(level)
            .with_req(ReqId(self.records.len() as u32));
        self.queue += 1;
        let queue_length = self.queue;
        self.push(
            0,
            Event::RequestQueued {
                code,
                level,
                lane: "normal".into(),
                priority: Real(0.0),
                queue_length,
            },
        );
        while self.queue > self.rng.u32(0..40) {
            self.queue -= 1;
            let (waited, queue_length) = (Nanos(self.rng.u64(..9_000_000)), self.queue);
            let thread = 1 + self.rng.u32(..self.threads);
            self.push(
                thread,
                Event::Dequeued {
                    code,
                    waited,
                    queue_length,
                },
            );
        }
        let thread = 1 + self.rng.u32(..self.threads);
        self.compiled(code, thread);
    }
}

/// A run with three levels, in which every seventh function becomes hot.
fn run(label: &str, seed: u64) -> Input {
    let mut run = Run {
        rng: Rng::with_seed(seed),
        at: 0,
        records: Vec::new(),
        queue: 0,
        threads: 3,
    };
    let key = |func| FuncKey {
        module: ModuleKey(0),
        func: DefinedFuncIndex(func),
    };
    for func in 0..FUNCTIONS {
        run.compiled(
            CodeKey::new(key(func), CompileUnit::Function, Tier::Baseline),
            0,
        );
        if func % 7 == 0 {
            let hot = key(run.rng.u32(..=func));
            for step in 1..6 {
                let level = match step {
                    2 => Some(1),
                    5 => Some(2),
                    _ => None,
                };
                run.asked(hot, 250_000 * step * u64::from(1 + func / 900), level);
            }
        }
    }
    let mut log = LogFile {
        header: Header {
            upshift: "0.1.0".into(),
            policy: "cost-model".into(),
            ..Header::default()
        },
        records: run.records,
        ..LogFile::default()
    };
    let levels = ["naive", "cranelift-none", "cranelift-speed"];
    log.names.set_levels(levels.map(Into::into).to_vec());
    let forms = ["Wasm", "naive", "CLIF", "cranelift-speed"];
    let text = "0000: mov eax, [rdi]\n".repeat(40);
    let code = Code {
        func: key(0),
        forms: forms.map(|form| (form.to_owned(), text.clone())).to_vec(),
    };
    let label = label.to_owned();
    let code = vec![code];
    Input { label, log, code }
}

#[test]
fn every_part_of_the_page_works_in_a_browser() {
    let Some(program) = chromium() else {
        eprintln!("skipped: there is no Chromium (Debian's package `chromium`)");
        return;
    };
    let folder = std::env::temp_dir().join(format!("upshift-report-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("report.html");
    let report = Report {
        title: "A made-up run".into(),
        runs: vec![run("first.log", 1), run("second.log", 2)],
        sections: Vec::new(),
    };
    std::fs::write(&file, report.render()).unwrap();
    let address = format!("file://{}?test", file.display());
    let found = browse(&program, &folder, &["--dump-dom".into(), address]);
    pictures(&program, &folder, &file);
    let start = found
        .find("<pre id=\"selftest\">")
        .expect("the page has tested itself");
    let json = &found[start + "<pre id=\"selftest\">".len()..];
    let json = json[..json.find("</pre>").unwrap()]
        .replace("&gt;", ">")
        .replace("&lt;", "<");
    let results: Value = serde_json::from_str(&json.replace("&amp;", "&")).unwrap();
    eprintln!("{results:#}");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(results["failures"], serde_json::json!([]));
    let tabs = ["overview", "timeline", "functions", "residency", "compare"];
    assert_eq!(results["tabs"], serde_json::json!(tabs));
    assert!(results["figures"]["different"].as_u64() > Some(100));
    // A frame has 16 ms; a busy machine and a browser without a graphics processor have more.
    for drawn in [
        "timeline drawn",
        "whole timeline drawn",
        "function table scrolled",
    ] {
        let took = results["figures"][drawn].as_f64().unwrap();
        assert!(took < 400.0, "{drawn} in {took} ms");
    }
}

/// Pictures of all parts, to be looked at, if they are wanted.
fn pictures(program: &Path, folder: &Path, file: &Path) {
    let Some(target) = std::env::var_os("UPSHIFT_PICTURES") else {
        return;
    };
    for theme in ["light", "dark"] {
        for tab in ["overview", "timeline", "functions", "residency", "compare"] {
            let picture = Path::new(&target).join(format!("{tab}-{theme}.png"));
            let address = format!("file://{}?theme={theme}#{tab}", file.display());
            let screenshot = format!("--screenshot={}", picture.display());
            browse(program, folder, &[screenshot, address]);
        }
    }
}
