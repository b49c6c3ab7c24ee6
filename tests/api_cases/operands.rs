//! Many operands at once, through everything that can carry them: they arrive complete and in
//! order.

use std::fmt::Write;

use upshift::Val;

use crate::{in_every_mode, instance};

/// More operands than any compiler moves one by one.
const COUNT: usize = 45;

/// Functions from and to [`COUNT`] values of the types, each moving them in another way; all but
/// `reversed` are the identity.
fn ways() -> Vec<(&'static str, String)> {
    let gets = |order: &mut dyn Iterator<Item = usize>| {
        order.fold(String::new(), |text, n| text + &format!(" local.get {n}"))
    };
    let all = gets(&mut (0..COUNT));
    let junk = " i64.const 7 f64.const 8 i32.const 9";
    let sets = (0..COUNT)
        .rev()
        .fold(String::new(), |text, n| text + &format!(" local.set {n}"));
    let one = "local.set $n local.get $n";
    vec![
        ("falls", all.clone()),
        ("returns", format!("{junk} {all} return")),
        ("branches", format!("{junk} {all} br 0")),
        ("calls", format!("{all} call $falls")),
        (
            "indirect",
            format!("{all} i32.const 0 call_indirect (type $t)"),
        ),
        ("tail", format!("{all} return_call $falls")),
        (
            "tail_table",
            format!("{all} i32.const 0 return_call_indirect (type $t)"),
        ),
        (
            "block",
            format!(
                "{junk} {all} block (type $t) i32.const 3 {one} br_if 0 {sets} {all} end {sets} \
                 drop drop drop {all}"
            ),
        ),
        (
            "branch_not_taken",
            format!("{all} i32.const 0 {one} br_if 0"),
        ),
        (
            "branch_out",
            format!(
                "{junk} block (type $to) {junk} {all} i32.const 1 {one} br_if 0 {sets} drop drop \
                 drop {all} end {sets} drop drop drop {all}"
            ),
        ),
        (
            "loops",
            format!(
                "i32.const 3 local.set $k {junk} {all} loop (type $t) {sets} {all} local.get $k \
                 i32.const 1 i32.sub local.tee $k br_if 0 end {sets} drop drop drop {all}"
            ),
        ),
        (
            "loop_deeper",
            format!(
                "i32.const 3 local.set $k {all} loop (type $t) {sets} {junk} {all} local.get $k \
                 i32.const 1 i32.sub local.tee $k br_if 0 {sets} drop drop drop {all} end"
            ),
        ),
        (
            "both_arms",
            format!(
                "{junk} {all} i32.const 0 {one} if (type $t) {sets} unreachable else {sets} \
                 {junk} {all} br 0 end {sets} drop drop drop {all}"
            ),
        ),
        (
            "table",
            format!(
                "block (type $to) {junk} block (type $to) {junk} {all} i32.const 1 {one} \
                 br_table 0 1 2 0 end {sets} drop drop drop unreachable end"
            ),
        ),
        (
            "constants_below",
            format!("{junk} {all} call $reversed_twice {sets} drop drop drop {all}"),
        ),
    ]
}

fn module(types: &[&str]) -> String {
    let list = types.join(" ");
    let mut text = format!(
        "(module (type $t (func (param {list}) (result {list}))) (type $to (func (result \
         {list})))\n(table funcref (elem $falls))\n"
    );
    for (name, body) in ways() {
        writeln!(
            text,
            "(func ${name} (export \"{name}\") (type $t) (local $n i32) (local $k i32) {body})"
        )
        .unwrap();
    }
    text.push_str("(func $reversed_twice (type $t) (local $n i32)");
    (0..COUNT).for_each(|n| write!(text, " local.get {n}").unwrap());
    // Out of the locals, in the other order, and back.
    (0..COUNT)
        .rev()
        .for_each(|n| write!(text, " local.set {n}").unwrap());
    (0..COUNT).for_each(|n| write!(text, " local.get {n}").unwrap());
    text.push_str("))");
    text
}

#[test]
fn many_operands_arrive_in_order() {
    let mixed: Vec<&str> = ["i32", "f64", "i64", "f32"]
        .into_iter()
        .cycle()
        .take(COUNT)
        .collect();
    for types in [vec!["i64"; COUNT], vec!["f32"; COUNT], mixed] {
        let text = module(&types);
        let args: Vec<Val> = types
            .iter()
            .enumerate()
            .map(|(n, &ty)| match ty {
                "i32" => Val::I32(-1000 - n as i32),
                "i64" => Val::I64(-1_000_000_000_000 - n as i64),
                "f32" => Val::F32((n as f32 + 0.5).to_bits()),
                _ => Val::F64((n as f64 + 0.25).to_bits()),
            })
            .collect();
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            for (name, _) in ways() {
                let func = instance.get_func(&mut store, name).unwrap();
                for round in 0..3 {
                    let mut results = vec![Val::I32(0); COUNT];
                    func.call(&mut store, &args, &mut results).unwrap();
                    let same = format!("{results:?}") == format!("{args:?}");
                    assert!(same, "{name}, round {round}: {results:?}");
                }
            }
        });
    }
}
