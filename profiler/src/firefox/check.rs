//! What the Firefox Profiler's processed format, version 55, demands of every profile: columns of
//! one length, indexes inside of the tables that they refer to, and times in order.
//!
//! Taken from the types of the viewer's source (`src/types/profile.js` of that version), where a
//! profile that breaks a rule fails late, in the view that needs it.

use std::collections::BTreeMap;

use serde_json::Value;

/// The table's length, which all its columns have.
fn length(table: &Value, name: &str) -> usize {
    let length = table["length"]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} has no length")) as usize;
    for (column, values) in table.as_object().unwrap() {
        if let Some(values) = values.as_array() {
            assert_eq!(values.len(), length, "{name}.{column}");
        }
    }
    length
}

/// Checks that a column is there and has indexes below `end`, or nothing where `null` is allowed
/// or -1 stands for it.
fn indexes(table: &Value, column: &str, end: usize, allows_none: bool) {
    let values = table[column].as_array();
    let values = values.unwrap_or_else(|| panic!("no column {column}"));
    for value in values {
        let none = value.is_null() || value.as_i64() == Some(-1);
        let fits = value.as_u64().is_some_and(|index| (index as usize) < end);
        assert!(fits || (none && allows_none), "{column}: {value} of {end}");
    }
}

fn numbers<'a>(table: &'a Value, column: &str) -> impl Iterator<Item = f64> + use<'a> {
    let values = table[column].as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap())
}

/// Panics where the profile is none.
pub(super) fn check(profile: &Value) {
    let meta = &profile["meta"];
    assert_eq!(meta["preprocessedProfileVersion"], 55);
    let categories = meta["categories"].as_array().unwrap();
    let mut schemas = BTreeMap::new();
    for schema in meta["markerSchema"].as_array().unwrap() {
        schemas.insert(schema["name"].as_str().unwrap(), schema);
    }
    let threads = profile["threads"].as_array().unwrap();
    for thread in threads {
        check_thread(thread, categories.len(), &schemas);
    }
    let mains = threads
        .iter()
        .filter(|thread| thread["isMainThread"] == true);
    let with_markers = threads
        .iter()
        .any(|thread| thread["markers"]["length"] != 0);
    assert_eq!(mains.count(), usize::from(with_markers), "main threads");
    for counter in profile["counters"].as_array().unwrap() {
        let samples = &counter["samples"];
        length(samples, "counter.samples");
        assert!(counter["mainThreadIndex"].as_u64().unwrap() < threads.len() as u64);
        assert!(numbers(samples, "timeDeltas").all(|delta| delta >= 0.0));
        // What is added up is a length.
        let mut sum = 0.0;
        for change in numbers(samples, "count") {
            sum += change;
            assert!(sum >= 0.0, "the counter is {sum}");
        }
    }
}

fn check_thread(thread: &Value, categories: usize, schemas: &BTreeMap<&str, &Value>) {
    let strings = thread["stringArray"].as_array().unwrap().len();
    for column in ["tid", "pid", "name"] {
        assert!(thread[column].is_string(), "{column}");
    }
    let table = |name: &str| length(&thread[name], name);
    let (stacks, frames, funcs) = (table("stackTable"), table("frameTable"), table("funcTable"));
    let (symbols, resources) = (table("nativeSymbols"), table("resourceTable"));
    table("samples");
    let samples = &thread["samples"];
    indexes(samples, "stack", stacks, true);
    assert!(numbers(samples, "timeDeltas").all(|delta| delta >= 0.0));
    assert!(numbers(samples, "threadCPUDelta").all(|delta| delta >= 0.0));
    indexes(&thread["stackTable"], "frame", frames, false);
    // A prefix stands before the stacks that begin with it.
    let prefixes = thread["stackTable"]["prefix"].as_array().unwrap();
    for (place, prefix) in prefixes.iter().enumerate() {
        assert!(prefix.is_null() || prefix.as_u64().unwrap() < place as u64);
    }
    let frame_table = &thread["frameTable"];
    indexes(frame_table, "func", funcs, false);
    indexes(frame_table, "category", categories, true);
    indexes(frame_table, "nativeSymbol", symbols, true);
    indexes(&thread["funcTable"], "name", strings, false);
    indexes(&thread["funcTable"], "fileName", strings, true);
    indexes(&thread["funcTable"], "resource", resources, true);
    check_markers(thread, strings, categories, schemas);
}

fn check_markers(
    thread: &Value,
    strings: usize,
    categories: usize,
    schemas: &BTreeMap<&str, &Value>,
) {
    let markers = &thread["markers"];
    let count = length(markers, "markers");
    indexes(markers, "name", strings, false);
    indexes(markers, "category", categories, false);
    for place in 0..count {
        let (start, end) = (&markers["startTime"][place], &markers["endTime"][place]);
        // The phases that are written: 0 is an instant, 1 an interval.
        match markers["phase"][place].as_u64() {
            Some(0) => assert!(start.is_f64() && end.is_null()),
            Some(1) => assert!(start.as_f64() <= end.as_f64() && start.is_f64()),
            phase => panic!("phase {phase:?}"),
        }
        let data = &markers["data"][place];
        let schema = schemas[data["type"].as_str().unwrap()];
        let fields = schema["fields"].as_array().unwrap();
        for field in fields {
            let key = field["key"].as_str().unwrap();
            assert!(data[key].is_string(), "{key} of {data}");
        }
        let known =
            |key: &String| key == "type" || fields.iter().any(|field| field["key"] == **key);
        assert!(data.as_object().unwrap().keys().all(known), "{data}");
    }
}
