//! Numbers in more bytes than they need change nothing: a body whose indexes are padded compiles to
//! the same code. What is looked ahead at (a `local.set` behind a result, a branch behind a
//! comparison, the locals of a loop) is then found at other distances.

use upshift_abi::MemoryOptions;
use upshift_abi::compiler::{CompileRequest, Compiler};
use upshift_abi::facts::decode;
use upshift_baseline::{Baseline, BaselineOptions};

/// A part of a body.
enum Part {
    /// An opcode, or immediates that have one encoding.
    Byte(u8),
    /// An index, a label or an offset.
    Number(u32),
}

use Part::{Byte, Number};

/// How numbers are encoded.
#[derive(Clone, Copy)]
enum Numbers {
    Shortest,
    /// In so many bytes.
    Padded(usize),
}

fn number(value: u32, numbers: Numbers) -> Vec<u8> {
    let mut rest = value;
    let mut bytes = Vec::new();
    loop {
        let byte = rest as u8 & 0x7f;
        rest >>= 7;
        let more = match numbers {
            Numbers::Shortest => rest != 0,
            Numbers::Padded(length) => rest != 0 || bytes.len() + 1 < length,
        };
        bytes.push(byte | u8::from(more) << 7);
        if !more {
            return bytes;
        }
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [
        number(bytes.len() as u32, Numbers::Shortest),
        bytes.to_vec(),
    ]
    .concat()
}

/// A module of one function `(param i32 i32 f64) (result i32)` with more locals, behind a table, a
/// memory and a global.
fn module(body: &[Part], numbers: Numbers) -> Vec<u8> {
    // Five locals of i32, two of i64.
    let mut code = vec![2, 5, 0x7f, 2, 0x7e];
    for part in body {
        match part {
            Byte(byte) => code.push(*byte),
            Number(value) => code.extend(number(*value, numbers)),
        }
    }
    code.push(0x0b);
    let sections: [(u8, Vec<u8>); 6] = [
        // (param i32 i32 f64) (result i32), and () -> ().
        (1, vec![2, 0x60, 3, 0x7f, 0x7f, 0x7c, 1, 0x7f, 0x60, 0, 0]),
        (3, vec![1, 0]),
        (4, vec![1, 0x70, 0, 1]),
        (5, vec![1, 0, 1]),
        (6, vec![1, 0x7f, 1, 0x41, 0, 0x0b]),
        (10, [vec![1], sized(&code)].concat()),
    ];
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, payload) in sections {
        module.push(id);
        module.extend(sized(&payload));
    }
    module
}

fn compile(wasm: &[u8]) -> Vec<u8> {
    let decoded = decode(wasm).expect("a well-formed module");
    let mut facts = decoded.facts;
    facts.number_types();
    facts.plan_for(MemoryOptions::default());
    let compiler = Baseline::new(BaselineOptions::default());
    let func = facts.defined_funcs().next().expect("a function");
    let mut request = CompileRequest::new(&facts, wasm, func);
    request.validate = decoded.validators.into_iter().next();
    let compiled = compiler.session().compile(request);
    compiled.expect("a valid function").code
}

fn same_in_all_encodings(body: &[Part]) {
    let expected = compile(&module(body, Numbers::Shortest));
    for length in 2..=5 {
        let code = compile(&module(body, Numbers::Padded(length)));
        assert_eq!(code, expected, "numbers of {length} bytes");
    }
}

#[test]
fn results_are_computed_in_the_local_that_is_assigned() {
    let get = |local| [Byte(0x20), Number(local)];
    let mut body = Vec::new();
    // i32.add, i32.mul, i32.shl: local.set
    for opcode in [0x6a, 0x6c, 0x74] {
        body.extend(get(0).into_iter().chain(get(1)));
        body.extend([Byte(opcode), Byte(0x21), Number(3)]);
    }
    // i64.extend_i32_s: local.tee, drop
    body.extend(get(3));
    body.extend([Byte(0xac), Byte(0x22), Number(8), Byte(0x1a)]);
    // i32.load align=4 offset=300: local.set; i32.load8_u: local.set
    body.extend(get(0));
    body.extend([Byte(0x28), Number(2), Number(300), Byte(0x21), Number(3)]);
    body.extend(get(1));
    body.extend([Byte(0x2d), Number(0), Number(0), Byte(0x21), Number(0)]);
    // global.get: local.set
    body.extend([Byte(0x23), Number(0), Byte(0x21), Number(1)]);
    // f64.add: local.set
    body.extend(get(2).into_iter().chain(get(2)));
    body.extend([Byte(0xa0), Byte(0x21), Number(2)]);
    body.extend(get(3).into_iter().chain(get(1)));
    body.extend([Byte(0x6b)]);
    same_in_all_encodings(&body);
}

#[test]
fn comparisons_stay_in_the_flags() {
    let body = [
        // block (type 1)
        Byte(0x02),
        Number(1),
        // local.get 0, local.get 1, i32.lt_s, i32.eqz, br_if 0
        Byte(0x20),
        Number(0),
        Byte(0x20),
        Number(1),
        Byte(0x48),
        Byte(0x45),
        Byte(0x0d),
        Number(0),
        // local.get 2, local.get 2, f64.eq, if (type 1): local.get 1, local.set 0, end
        Byte(0x20),
        Number(2),
        Byte(0x20),
        Number(2),
        Byte(0x61),
        Byte(0x04),
        Number(1),
        Byte(0x20),
        Number(1),
        Byte(0x21),
        Number(0),
        Byte(0x0b),
        Byte(0x0b),
        // local.get 0, local.get 1, local.get 0, i32.eqz, select
        Byte(0x20),
        Number(0),
        Byte(0x20),
        Number(1),
        Byte(0x20),
        Number(0),
        Byte(0x45),
        Byte(0x1b),
        // local.get 1, local.get 0, i32.eqz, select (of one type, i32)
        Byte(0x20),
        Number(1),
        Byte(0x20),
        Number(0),
        Byte(0x45),
        Byte(0x1c),
        Number(1),
        Byte(0x7f),
    ];
    same_in_all_encodings(&body);
}

#[test]
fn loops_choose_the_same_registers() {
    let body = [
        // loop (type 1)
        Byte(0x03),
        Number(1),
        // local.get 0, call_indirect (type 1) (table 0)
        Byte(0x20),
        Number(0),
        Byte(0x11),
        Number(1),
        Number(0),
        // local.get 3, local.get 1, i32.add, local.set 3
        Byte(0x20),
        Number(3),
        Byte(0x20),
        Number(1),
        Byte(0x6a),
        Byte(0x21),
        Number(3),
        // local.get 3, local.get 4, i32.store offset=200
        Byte(0x20),
        Number(3),
        Byte(0x20),
        Number(4),
        Byte(0x36),
        Number(2),
        Number(200),
        // local.get 3, br_if 0, end
        Byte(0x20),
        Number(3),
        Byte(0x0d),
        Number(0),
        Byte(0x0b),
        Byte(0x20),
        Number(3),
    ];
    same_in_all_encodings(&body);
}
