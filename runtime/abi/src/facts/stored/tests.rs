//! What is read of stored facts is what was written, or nothing.

use super::*;

/// A module with something in each section.
const MODULE: &str = r#"(module $named
    (type $none (func))
    (type $refers (func (param i32 (ref null $none) externref) (result f64 v128)))
    (import "host" "func" (func $imported (type $refers)))
    (import "host" "table" (table 1 5 funcref))
    (import "host" "memory" (memory i64 1 2))
    (import "host" "global" (global $offset i32))
    (import "host" "tag" (tag (param i64)))
    (table $second i64 2 (ref null $none) (ref.func $plain))
    (memory 1 (pagesize 1))
    (memory 1 3 shared)
    (global (mut i64) (i64.add (i64.const 1) (i64.mul (i64.const -2) (i64.const 3))))
    (global v128 (v128.const i64x2 1 -1))
    (global f32 (f32.const -0.0))
    (global f64 (f64.const nan))
    (global (ref null func) (ref.null func))
    (tag)
    (export "plain" (func $plain))
    (export "memory" (memory 1))
    (export "table" (table $second))
    (export "global" (global 1))
    (export "tag" (tag 1))
    (start $plain)
    (elem (i32.const 0) func $plain)
    (elem declare func $imported)
    (elem (table $second) (i64.const 0) (ref null $none) (ref.null $none) (ref.func $plain))
    (func $plain)
    (func $with_locals (local i32) (drop (i32.const 7)))
    (data (i64.const 5) "abc")
    (data (memory 1) (global.get $offset) "def")
    (data "passive")
    (data (memory 1) (i32.const 0) ""))"#;

fn encoded(wasm: &[u8]) -> (ModuleFacts, Vec<u8>) {
    let facts = crate::facts::decode(wasm).expect("a valid module").facts;
    let mut to = Encoder::default();
    encode(&facts, wasm, &mut to);
    (facts, to.0)
}

fn decoded(bytes: &[u8], wasm: &Bytes) -> Result<ModuleFacts, Malformed> {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut from = Decoder::new(&bytes);
    let facts = decode(&mut from, &bytes, wasm)?;
    from.finish()?;
    Ok(facts)
}

/// What a module declares, without the checksums.
fn shown(facts: &ModuleFacts) -> String {
    let mut facts = facts.clone();
    facts.checksums = None;
    // Names in an order of their own.
    let exports = std::mem::take(&mut facts.export_names);
    let exports: std::collections::BTreeMap<_, _> = exports.iter().collect();
    let funcs: Vec<_> = (0..facts.funcs.len() as u32)
        .map(|n| facts.func_name(FuncIndex(n)))
        .collect();
    format!(
        "{facts:#?} {exports:?} {funcs:?} {:?}",
        facts.names.module()
    )
}

#[test]
fn facts_are_read_as_they_were_decoded() {
    for text in [
        MODULE,
        "(module)",
        "(module (func) (memory 1) (data (i32.const 9) \"x\"))",
    ] {
        let wasm = Bytes::from(wat::parse_str(text).expect("text that can be assembled"));
        let (facts, bytes) = encoded(&wasm);
        let read = decoded(&bytes, &wasm).expect("what was encoded");
        assert_eq!(shown(&read), shown(&facts));
        assert!(read.data_is_intact(&wasm));
        assert!(
            read.defined_funcs()
                .all(|func| read.body_is_intact(func, &wasm))
        );
    }
}

#[test]
fn damage_to_bodies_and_data_is_found() {
    let wasm = Bytes::from(wat::parse_str(MODULE).expect("text that can be assembled"));
    let (facts, bytes) = encoded(&wasm);
    let read = decoded(&bytes, &wasm).expect("what was encoded");
    let body = facts.bodies[1].clone();
    for at in facts.data.extent().chain(body.clone()) {
        let mut damaged = wasm.to_vec();
        damaged[at as usize] ^= 4;
        let second = read.body_is_intact(DefinedFuncIndex(1), &damaged);
        assert!(read.body_is_intact(DefinedFuncIndex(0), &damaged));
        assert_eq!(second, !body.contains(&at));
        assert_eq!(read.data_is_intact(&damaged), body.contains(&at));
    }
}

/// Whatever is changed, reading neither panics nor finds anything outside of the module.
#[test]
fn what_makes_no_sense_is_refused() {
    let wasm = Bytes::from(wat::parse_str(MODULE).expect("text that can be assembled"));
    let (_, bytes) = encoded(&wasm);
    for len in 0..bytes.len() {
        assert!(decoded(&bytes[..len], &wasm).is_err(), "{len} bytes");
    }
    let mut refused = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match decoded(&changed, &wasm) {
                Err(_) => refused += 1,
                Ok(facts) => {
                    assert!(facts.data.extent().end as usize <= wasm.len());
                    assert!(
                        facts
                            .bodies
                            .iter()
                            .all(|body| body.end as usize <= wasm.len())
                    );
                }
            }
        }
    }
    assert!(refused > bytes.len(), "{refused}");
}
