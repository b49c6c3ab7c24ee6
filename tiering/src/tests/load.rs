//! Loading: results don't depend on the number of threads nor on the pieces in which bytes arrive.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift_abi::Features;
use upshift_abi::facts::{Input, ModuleFacts, decode};

use crate::{LoadError, decode_validated};

/// Loads a module that arrives in pieces of `piece` bytes.
fn load(wasm: &[u8], piece: usize, threads: u32) -> Result<ModuleFacts, LoadError> {
    let mut arrived = 0;
    let read = || {
        arrived = wasm.len().min(arrived + piece);
        let input = if arrived == wasm.len() {
            Input::Complete
        } else {
            Input::Partial
        };
        Ok((&wasm[..arrived], input))
    };
    decode_validated(read, threads, Features::all())
}

/// A module of many functions, of which those in `invalid` are.
fn module(funcs: u32, invalid: &[u32]) -> Vec<u8> {
    let func = |n| {
        if invalid.contains(&n) {
            format!("(func (result i32) i64.const {n})")
        } else {
            format!("(func (result i32) i32.const {n} i32.const 5000 i32.add)")
        }
    };
    let funcs: String = (0..funcs).map(func).collect();
    let text = format!("(module (import \"\" \"\" (func)) (memory 1) {funcs} (data \"late\"))");
    wat::parse_str(text).unwrap()
}

#[test]
fn the_first_invalid_body_is_reported_whichever_thread_finds_it() {
    let wasm = module(20_000, &[19_990, 7_000, 12_345, 7_001]);
    for threads in [0, 1, 2, 3, 8] {
        for piece in [1 << 10, 100_000, usize::MAX / 2] {
            let error = load(&wasm, piece, threads).unwrap_err();
            assert!(matches!(error, LoadError::Body(_)), "{error}");
            let error = error.to_string();
            assert!(error.contains("def7000 "), "{threads}, {piece}: {error}");
        }
    }
    load(&module(20_000, &[]), 1 << 10, 2).unwrap();
    let last = load(&module(20_000, &[19_999]), 1 << 16, 2).unwrap_err();
    assert!(last.to_string().contains("def19999 "), "{last}");
}

#[test]
fn errors_of_sections_come_before_those_of_bodies() {
    let wasm = module(1_000, &[3]);
    let cut = load(&wasm[..wasm.len() - 2], 500, 2).unwrap_err();
    assert!(matches!(cut, LoadError::Decode(_)), "{cut}");
    let whole = decode(&wasm[..wasm.len() - 2]).unwrap_err();
    assert_eq!(cut.to_string(), whole.to_string());
}

#[test]
fn modules_that_end_anywhere_are_refused_as_when_they_arrive_at_once() {
    let wasm = module(20, &[]);
    load(&wasm, 1, 2).unwrap();
    for length in 0..wasm.len() {
        let cut = &wasm[..length];
        let expected = decode(cut).map(|_| ()).map_err(|error| error.to_string());
        for piece in [1, 7, usize::MAX / 2] {
            let found = load(cut, piece, 2).map(|_| ());
            assert_eq!(found.map_err(|error| error.to_string()), expected);
        }
    }
}

#[test]
fn declarations_are_those_of_a_module_decoded_at_once() {
    let wasm = module(300, &[]);
    let expected = format!("{:?}", decode(&wasm).unwrap().facts);
    for piece in [1, 64, usize::MAX / 2] {
        let facts = load(&wasm, piece, 2).unwrap();
        assert_eq!(format!("{facts:?}"), expected, "in pieces of {piece}");
    }
}

#[test]
fn helpers_end_when_reading_fails_or_panics() {
    let wasm = module(20_000, &[]);
    let half = &wasm[..wasm.len() / 2];
    let mut calls = 0;
    let mut read = |fail: &dyn Fn() -> io::Error| {
        calls += 1;
        if calls % 2 == 1 {
            Ok((half, Input::Partial))
        } else {
            Err(fail())
        }
    };
    let failed = decode_validated(
        || read(&|| io::Error::other("unplugged")),
        3,
        Features::all(),
    );
    assert!(matches!(failed, Err(LoadError::Read(_))), "{failed:?}");
    let panicking =
        || decode_validated(|| read(&|| panic!("a reader's panic")), 3, Features::all());
    catch_unwind(AssertUnwindSafe(panicking)).unwrap_err();
}
