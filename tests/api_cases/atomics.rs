//! Atomic accesses: every operator at aligned, misaligned and out-of-bounds addresses of every kind
//! of memory. A model says what each must return, leave in memory, or trap with.

use std::fmt::Write;

use upshift::{Error, Instance, Memory, Store, Trap, Val, WasmBacktrace};

use crate::{in_every_mode, instance};

/// An operator: `Load`, `Store`, or what it does with what it loads.
#[derive(Clone, Copy)]
struct Operator {
    op: &'static str,
    kind: &'static str,
    bytes: u32,
}

impl Operator {
    fn all() -> Vec<Self> {
        let ops = [
            "load", "store", "add", "sub", "and", "or", "xor", "xchg", "cmpxchg",
        ];
        let forms = [
            ("i32", 4),
            ("i64", 8),
            ("i32", 1),
            ("i32", 2),
            ("i64", 1),
            ("i64", 2),
            ("i64", 4),
        ];
        let of = |op| forms.map(|(kind, bytes)| Operator { op, kind, bytes });
        ops.into_iter().flat_map(of).collect()
    }

    /// Its name in the text format.
    fn name(self) -> String {
        let Operator { op, kind, bytes } = self;
        let (narrow, extended) = match (kind, bytes) {
            ("i32", 4) | ("i64", 8) => (String::new(), ""),
            _ => ((8 * bytes).to_string(), "_u"),
        };
        match op {
            "load" => format!("{kind}.atomic.load{narrow}{extended}"),
            "store" => format!("{kind}.atomic.store{narrow}"),
            _ => format!("{kind}.atomic.rmw{narrow}.{op}{extended}"),
        }
    }

    /// How many operands it has behind the index.
    fn operands(self) -> usize {
        match self.op {
            "load" => 0,
            "cmpxchg" => 2,
            _ => 1,
        }
    }

    /// Runs it on memory: the result, or the trap.
    fn run(self, memory: &mut [u8], index: u64, offset: u64, a: u64, b: u64) -> Outcome {
        let size = u64::from(self.bytes);
        if !index.wrapping_add(offset).is_multiple_of(size) {
            return Err(Trap::UnalignedAtomic);
        }
        let start = u128::from(index) + u128::from(offset);
        if start + u128::from(size) > memory.len() as u128 {
            return Err(Trap::MemoryOutOfBounds);
        }
        let place = &mut memory[start as usize..][..size as usize];
        let mut bytes = [0; 8];
        bytes[..place.len()].copy_from_slice(place);
        let old = u64::from_le_bytes(bytes);
        let mask = u64::MAX >> (64 - 8 * size);
        let new = match self.op {
            "load" => old,
            "store" | "xchg" => a,
            "add" => old.wrapping_add(a),
            "sub" => old.wrapping_sub(a),
            "and" => old & a,
            "or" => old | a,
            "xor" => old ^ a,
            _ if (a ^ old) & mask == 0 => b,
            _ => old,
        };
        place.copy_from_slice(&new.to_le_bytes()[..place.len()]);
        Ok((self.op != "store").then_some(old))
    }
}

type Outcome = Result<Option<u64>, Trap>;

/// The sources of operands, and what becomes of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// Parameters; the result is returned.
    Locals,
    /// Computed from the parameters, beside other operands; the result is returned.
    Computed,
    /// Parameters; the result is dropped.
    Dropped,
    /// The index is a parameter, the other operands are constants.
    Constants,
    /// The index is a constant too.
    Constant(u64),
}

const CONSTANTS: [u64; 2] = [0x8877_6655_fff0_0ff3, 0x1234_5678_9abc_def0];

impl Form {
    /// The function of this form for an operator at an offset of a memory.
    fn function(self, operator: Operator, memory: &Kind, offset: u64) -> String {
        let (name, kind) = (operator.name(), operator.kind);
        let index = memory.index;
        let operand = |n: usize, kind: &str| match self {
            Form::Locals | Form::Dropped => format!("(local.get {n})"),
            Form::Computed => {
                format!("({kind}.add (local.get {n}) (local.get {}))", 3 + n.min(1))
            }
            Form::Constant(index) if n == 0 => format!("({kind}.const {index})"),
            Form::Constants if n == 0 => "(local.get 0)".into(),
            Form::Constants | Form::Constant(_) if kind == "i32" => {
                format!("(i32.const {})", CONSTANTS[n - 1] as i32)
            }
            Form::Constants | Form::Constant(_) => {
                format!("(i64.const {})", CONSTANTS[n - 1] as i64)
            }
        };
        let mut operands = operand(0, index);
        for n in 1..=operator.operands() {
            operands += &operand(n, kind);
        }
        let access = format!(
            "({name} {} offset={offset} {operands})",
            memory.which.unwrap_or("")
        );
        let (result, body) = match (operator.op, self) {
            ("store", _) => ("", access),
            (_, Form::Dropped) => ("", format!("(drop {access})")),
            (_, Form::Computed) => (
                kind,
                // Whatever register an operator fixes belongs to one of these.
                format!(
                    "({kind}.sub ({kind}.add (local.get 1) (local.get 2))
                       ({kind}.sub ({kind}.add (local.get 1) (local.get 2)) {access}))"
                ),
            ),
            _ => (kind, access),
        };
        let result = match result {
            "" => String::new(),
            kind => format!("(result {kind})"),
        };
        format!(
            "(func (export \"{name} {offset} {self:?}\")
               (param {index} {kind} {kind}) {result} (local {index} {kind}) {body})"
        )
    }

    fn operands(self, index: u64, a: u64, b: u64) -> (u64, u64, u64) {
        match self {
            Form::Locals | Form::Computed | Form::Dropped => (index, a, b),
            Form::Constants => (index, CONSTANTS[0], CONSTANTS[1]),
            Form::Constant(index) => (index, CONSTANTS[0], CONSTANTS[1]),
        }
    }
}

/// A kind of memory.
struct Kind {
    declaration: &'static str,
    /// The kind of its indexes.
    index: &'static str,
    /// The memory's index, if it is not the first.
    which: Option<&'static str>,
    len: u64,
}

const PAGE: u64 = 1 << 16;

const KINDS: [Kind; 5] = [
    Kind {
        declaration: "(memory (export \"m\") 1)",
        index: "i32",
        which: None,
        len: PAGE,
    },
    Kind {
        declaration: "(memory 1) (memory (export \"m\") 1)",
        index: "i32",
        which: Some("1"),
        len: PAGE,
    },
    Kind {
        declaration: "(memory (export \"m\") i64 1)",
        index: "i64",
        which: None,
        len: PAGE,
    },
    Kind {
        declaration: "(memory (export \"m\") 203 (pagesize 1))",
        index: "i32",
        which: None,
        len: 203,
    },
    Kind {
        declaration: "(memory (export \"m\") i64 203 (pagesize 1))",
        index: "i64",
        which: None,
        len: 203,
    },
];

const OFFSETS: [u64; 4] = [0, 3, 8, (1 << 30) + 4];

impl Kind {
    /// Indexes for accesses in the middle, at both ends of the memory, and where sums carry.
    fn indexes(&self, offset: u64) -> Vec<u64> {
        let bases = [
            8,
            (self.len & !7).wrapping_sub(offset),
            offset.wrapping_neg(),
            (1 << 31) - offset % 8,
        ];
        let distances = [-8, -4, -1, 0, 2, 8];
        let mut all: Vec<u64> = bases
            .iter()
            .flat_map(|base: &u64| distances.map(|d| base.wrapping_add_signed(d)))
            .map(|index| match self.index {
                "i32" => u64::from(index as u32),
                _ => index,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn forms(&self) -> Vec<Form> {
        let mut forms = vec![Form::Locals, Form::Computed, Form::Dropped, Form::Constants];
        let indexes = [16, 19, self.len & !7];
        forms.extend(indexes.map(Form::Constant));
        forms
    }
}

/// Fills a memory with bytes of which none is like its neighbours.
fn fill(memory: &mut [u8]) {
    for (n, byte) in memory.iter_mut().enumerate() {
        *byte = (n as u8).wrapping_mul(37) ^ 0xa5;
    }
}

fn value(kind: &str, bits: u64) -> Val {
    match kind {
        "i32" => Val::I32(bits as i32),
        _ => Val::I64(bits as i64),
    }
}

/// Calls a function, and compares with what the model says.
struct Case<'a> {
    store: &'a mut Store<()>,
    instance: Instance,
    memory: Memory,
    kind: &'a Kind,
    expected: Vec<u8>,
}

impl Case<'_> {
    fn check(&mut self, operator: Operator, offset: u64, form: Form, operands: (u64, u64, u64)) {
        let (index, a, b) = operands;
        let name = format!("{} {offset} {form:?}", operator.name());
        let context = || format!("{} {name} {index:#x} {a:#x} {b:#x}", self.kind.declaration);
        let (from, first, second) = form.operands(index, a, b);
        let outcome = operator.run(&mut self.expected, from, offset, first, second);
        let func = self
            .instance
            .get_func(&mut *self.store, &name)
            .expect("it is exported");
        let args = [
            value(self.kind.index, index),
            value(operator.kind, a),
            value(operator.kind, b),
        ];
        let returns = operator.op != "store" && form != Form::Dropped;
        let mut results = vec![Val::I32(0); usize::from(returns)];
        let outcome = outcome.map(|old| old.filter(|_| returns));
        match (func.call(&mut *self.store, &args, &mut results), outcome) {
            (Ok(()), Ok(old)) => {
                let result = results.first().map(|result| match *result {
                    Val::I32(bits) => u64::from(bits as u32),
                    Val::I64(bits) => bits as u64,
                    ref other => panic!("{other:?}"),
                });
                assert_eq!(result, old, "{}", context());
            }
            (Err(error), Err(trap)) => assert_eq!(trap_of(&error), trap, "{}", context()),
            (result, expected) => panic!("{}: {result:?}, not {expected:?}", context()),
        }
        let around = |memory: &[u8]| {
            let start = from.wrapping_add(offset).saturating_sub(8);
            let start = start.min(memory.len() as u64) as usize;
            memory[start..(start + 24).min(memory.len())].to_vec()
        };
        let memory = around(self.memory.data(&*self.store));
        assert_eq!(memory, around(&self.expected), "{}", context());
    }
}

fn trap_of(error: &Error) -> Trap {
    *error.downcast_ref::<Trap>().expect("a trap")
}

#[test]
fn every_operator_does_or_traps_as_the_model() {
    for kind in &KINDS {
        let mut text = format!("(module {}", kind.declaration);
        for operator in Operator::all() {
            for offset in OFFSETS {
                for form in kind.forms() {
                    text += &form.function(operator, kind, offset);
                }
            }
        }
        text += ")";
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            let memory = instance.get_memory(&mut store, "m").expect("a memory");
            fill(memory.data_mut(&mut store));
            let expected = memory.data(&store).to_vec();
            assert_eq!(expected.len() as u64, kind.len);
            let store = &mut store;
            let mut case = Case {
                store,
                instance,
                memory,
                kind,
                expected,
            };
            for operator in Operator::all() {
                for offset in OFFSETS {
                    check_all(&mut case, operator, offset);
                }
            }
        });
    }
}

/// Checks an operator at an offset in all forms.
fn check_all(case: &mut Case<'_>, operator: Operator, offset: u64) {
    for form in case.kind.forms() {
        if let Form::Constant(_) = form {
            case.check(operator, offset, form, (0, 0, 0));
            continue;
        }
        for index in case.kind.indexes(offset) {
            case.check(operator, offset, form, (index, 0x0102_0304_8586_8788, 9));
        }
        // What memory contains, once with other bits above.
        let index = 16;
        let at = (index + offset) as usize;
        let bytes = case
            .expected
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok());
        let content = bytes.map_or(0, u64::from_le_bytes);
        let other = content ^ u64::MAX << (8 * operator.bytes - 1) << 1;
        if operator.op != "cmpxchg" {
            continue;
        }
        for expected in [content, other, content.wrapping_add(1)] {
            case.check(operator, offset, form, (index, expected, !content));
        }
    }
}

#[test]
fn fences_and_atomics_keep_what_is_in_memory() {
    let text = "(module (memory 1)
        (func (export \"run\") (param i32 i32) (result i32)
            (i32.store (local.get 0) (i32.const 1))
            (atomic.fence)
            (drop (i32.atomic.rmw.add (local.get 1) (i32.const 2)))
            (i32.store offset=4 (local.get 0) (i32.load (local.get 0)))
            (i32.atomic.store (local.get 1) (i32.const 40))
            (i32.add (i32.load (local.get 0)) (i32.load offset=4 (local.get 0)))))";
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run");
        let run = run.expect("it is exported");
        for _ in 0..20 {
            assert_eq!(run.call(&mut store, (16, 16)).unwrap(), 43);
            assert_eq!(run.call(&mut store, (16, 24)).unwrap(), 2);
        }
    });
}

/// Waiting and notifying on memories that are not shared.
#[test]
fn waits_and_notifications_check_alignment_then_bounds_then_sharing() {
    let mut text = String::from("(module (memory 1) (memory i64 1)");
    for (memory, index) in [(0, "i32"), (1, "i64")] {
        for offset in [0u64, 2, 1 << 31, (1 << 32) - 8] {
            write!(
                text,
                "(func (export \"notify {index} {offset}\") (param {index} i64) (result i32)
                    (memory.atomic.notify {memory} offset={offset}
                        (local.get 0) (i32.const 7)))
                 (func (export \"wait32 {index} {offset}\") (param {index} i64) (result i32)
                    (memory.atomic.wait32 {memory} offset={offset}
                        (local.get 0) (i32.const 7) (local.get 1)))
                 (func (export \"wait64 {index} {offset}\") (param {index} i64) (result i32)
                    (memory.atomic.wait64 {memory} offset={offset}
                        (local.get 0) (i64.const 7) (local.get 1)))"
            )
            .unwrap();
        }
    }
    text.push(')');
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        for index in ["i32", "i64"] {
            for offset in [0u64, 2, 1 << 31, (1 << 32) - 8] {
                for (name, size) in [("notify", 4), ("wait32", 4), ("wait64", 8)] {
                    let name = format!("{name} {index} {offset}");
                    let func = instance.get_func(&mut store, &name).expect("exported");
                    for at in [0, 1, 2, 4, 6, 8, PAGE - 8, PAGE - 4, PAGE, 0xffff_fff8] {
                        let args = [value(index, at), Val::I64(-1)];
                        let mut results = [Val::I32(5)];
                        let result = func.call(&mut store, &args, &mut results);
                        let start = at + offset;
                        let expected = match () {
                            () if !start.is_multiple_of(size) => Some(Trap::UnalignedAtomic),
                            () if start + size > PAGE => Some(Trap::MemoryOutOfBounds),
                            () if name.starts_with("wait") => Some(Trap::ExpectedSharedMemory),
                            () => None,
                        };
                        let trap = result.as_ref().err().map(trap_of);
                        assert_eq!(trap, expected, "{name} {at:#x}");
                        if let Err(error) = result {
                            let backtrace = error.downcast_ref::<WasmBacktrace>();
                            assert_eq!(backtrace.expect("a backtrace").frames().len(), 1);
                        } else {
                            assert!(matches!(results, [Val::I32(0)]), "{name} {at:#x}");
                        }
                    }
                }
            }
        }
    });
}
