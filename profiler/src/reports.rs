//! The page of what reports contain, made from the tables of events and figures.
//!
//! `BLESS=1 cargo test --workspace --lib reports_page` writes it anew.

use std::fs;
use std::path::Path;

use crate::event::Event;
use crate::stats::{LevelStats, Stats, TierStats};

/// A name and the lines of its description.
pub(crate) type Described = (&'static str, &'static [&'static str]);

const HEAD: &str = "\
# What reports contain

Made from the tables in `event.rs` and `stats.rs`; `BLESS=1 cargo test --workspace --lib
reports_page` writes it anew. Times are nanoseconds, `at` from the log's start. What a
description calls `None` is `null`.

- A `module` is the number of a module, 0 for the first one loaded; a `func` is a module and the
  function's index among those that it defines.
- A `code` is a function at one level: `module`, `func`, `loop` (`null`, or the loop's index if it
  is an OSR entry), `tier` (the kind of compiler: `baseline` or `optimizer`), `level` (its place in
  the ladder of `-T tiers`; 0 is what a function starts in) and `req`, the number of the request
  that it is made for. All events from the request to the code's retirement have the same `req`;
  first code has one too.
- Reports call a level what `-T tiers` calls it. The two of the default ladder are `baseline` and
  `optimizer`.
";

const EVENTS: &str = "
## Events

One line of `upshift -D events=FILE` each, with `at`, `cpu` (the thread's processor time), `thread`
and the fields of the event. Threads are numbered in the order of their first events. Traces have
the same fields. Lines are in nearly the order of `at`.

The first line is the header: `format` (3), `upshift` (the version), `pid`, `started` (nanoseconds
since 1970), `settings` (options that differ from their defaults), `policy`, `levels` (their names,
lowest first), `machine` (`cpu`, `cores`, `hypervisor`, `governor`, `kernel`), `seed` and `clock`
(`ns`, or `units` where policies see virtual time). A line with `functions` names those of a
`module`, each with `index`, `name` and `body_bytes`; it stands before the records of its module.
";

const DECISIONS: &str = "
## Decisions

What the parts of a `decision` consist of. `function` and `osr` are alike. Numbers that JSON does
not have are the strings `inf`, `-inf` and `nan`.
";

const STATS: &str = "
## Totals

What `upshift --stats=json` prints.
";

const TIERS: &str = "
`totals` of a level, and `baseline` and `optimizer`, which are the sums over the levels of each kind
of compiler, consist of:
";

fn text(lines: &[&str]) -> String {
    lines.concat().trim().to_owned()
}

fn rows(title: &str, described: &[Described]) -> String {
    let mut table = format!("\n| {title} | |\n|---|---|\n");
    for (name, lines) in described {
        table += &format!("| `{name}` | {} |\n", text(lines));
    }
    table
}

fn page() -> String {
    let mut page = format!("{HEAD}{EVENTS}");
    for ((name, lines), fields) in Event::DESCRIPTIONS {
        page += &format!("\n### `{name}`\n\n{}\n", text(lines));
        page += &rows("field", fields);
    }
    page += DECISIONS;
    for (name, figures) in crate::decided::PAGES {
        page += &rows(&format!("`{name}`"), figures);
    }
    page += STATS;
    page += &rows("figure", Stats::DESCRIPTIONS);
    page += &rows("`levels`", LevelStats::DESCRIPTIONS);
    page += TIERS;
    page += &rows("figure", TierStats::DESCRIPTIONS);
    page
}

#[test]
fn the_reports_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REPORTS.md");
    let page = page();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("the checkout can be written");
    }
    let found = fs::read_to_string(&path).expect("the page is part of the checkout");
    assert!(
        found == page,
        "profiler/REPORTS.md is old; BLESS=1 writes it"
    );
}

/// Whatever is serialized is on the page: no field comes from elsewhere.
#[test]
#[cfg(feature = "serde")]
fn totals_serialize_as_described() {
    use std::collections::BTreeMap;

    use upshift_abi::DefinedFuncIndex;

    use crate::key::{FuncKey, ModuleKey};
    use crate::stats::OsrCounts;

    let (module, func) = (ModuleKey(0), DefinedFuncIndex(3));
    let key = (FuncKey { module, func }, 1);
    let stats = Stats {
        osr_loops: OsrCounts(BTreeMap::from([(key, 5)])),
        ..Stats::default()
    };
    let json = serde_json::to_value(&stats).unwrap();
    let serialized = json.as_object().unwrap();
    assert_eq!(serialized.len(), Stats::DESCRIPTIONS.len());
    for (name, _) in Stats::DESCRIPTIONS {
        assert!(serialized.contains_key(*name), "{name}");
    }
    for (name, _) in TierStats::DESCRIPTIONS {
        assert!(json["optimizer"].get(name).is_some(), "{name}");
    }
    assert_eq!(json["osr_loops"][0]["loop"], 1);
}
