//! The loop over frequent operators accepts and refuses what wasmparser's own loop does, with the
//! same errors at the same places.

use wasmparser::{
    BinaryReader, FuncToValidate, FunctionBody, Parser, ValidPayload, Validator, ValidatorResources,
};

use crate::validate::{FREQUENT, validate_body};

const MODULE: &str = r#"(module
    (memory 1)
    (global $g (mut i32) (i32.const 0))
    (global $constant i64 (i64.const 0))
    (table 1 funcref)
    (func $callee (param i32 i64 f32 f64) (result i32) local.get 0)
    (func (param i32 i64 f32 f64) (result i32) (local i32 i64)
        block
            loop
                local.get 0 i32.const 300 i32.add local.tee 4
                i32.load offset=70000 if
                    local.get 4 local.get 4 i32.load8_u i32.store8 offset=1
                    br 1
                end
                local.get 4 i32.eqz br_if 1
                local.get 1 i64.const 1 i64.add local.set 5
                local.get 4 local.get 5 i64.store
                global.get $g global.set $g
                i32.const -70000 drop
                i64.const 0x7000000000 drop
                local.get 4 local.get 4 local.get 4 select drop
                local.get 4 f64.load drop
                local.get 3 local.get 3 f64.mul drop
                local.get 3 f64.sqrt drop
                local.get 4 br_table 0 1
            end
        end
        local.get 0 local.get 1 local.get 2 local.get 3 call $callee
        local.get 1 i32.wrap_i64 i32.xor
        block (result i32) i32.const 1 end
        i32.sub return))"#;

/// The last body of [`MODULE`] and where it starts, with what its module declares.
struct Sample {
    resources: FuncToValidate<ValidatorResources>,
    body: Vec<u8>,
    offset: u64,
}

fn sample() -> Sample {
    let wasm = wat::parse_str(MODULE).unwrap();
    let mut validator = Validator::new_with_features(upshift_abi::Features::all().flags());
    let payloads = Parser::new(0).parse_all(&wasm);
    let funcs = payloads.filter_map(|payload| match validator.payload(&payload.unwrap()) {
        Ok(ValidPayload::Func(resources, body)) => Some(Sample {
            resources,
            body: body.as_bytes().to_vec(),
            offset: body.range().start,
        }),
        _ => None,
    });
    funcs.last().unwrap()
}

impl Sample {
    /// The results of both loops for this body, as offset and message of the error.
    fn results(&self, bytes: &[u8]) -> [Result<(), (u64, String)>; 2] {
        let body = FunctionBody::new(BinaryReader::new(bytes, self.offset));
        let [mut ours, mut theirs] = [(), ()].map(|()| {
            let resources = FuncToValidate {
                resources: self.resources.resources.clone(),
                ..self.resources
            };
            resources.into_validator(Default::default())
        });
        let results = [validate_body(&mut ours, &body), theirs.validate(&body)];
        results.map(|result| result.map_err(|e| (e.offset(), e.message().to_string())))
    }

    /// Compares the results and returns them.
    fn compare(&self, bytes: &[u8]) -> Result<(), (u64, String)> {
        let [ours, theirs] = self.results(bytes);
        assert_eq!(ours, theirs, "of {bytes:02x?}");
        ours
    }
}

#[test]
fn valid_bodies_are_accepted_and_cut_ones_refused_alike() {
    let sample = sample();
    sample.compare(&sample.body).unwrap();
    for length in 0..sample.body.len() {
        sample.compare(&sample.body[..length]).unwrap_err();
    }
    let longer = [&sample.body[..], &[0x0b]].concat();
    let (_, message) = sample.compare(&longer).unwrap_err();
    assert!(message.contains("after end of function"), "{message}");
}

#[test]
fn each_byte_is_replaced_by_each_other() {
    let sample = sample();
    let mut accepted = 0;
    for at in 0..sample.body.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = sample.body.clone();
            bytes[at] = byte;
            accepted += u32::from(sample.compare(&bytes).is_ok());
        }
    }
    assert!(accepted > 1000, "only {accepted} bodies were valid");
}

#[test]
fn numbers_of_all_lengths_are_read_alike() {
    let sample = sample();
    let numbers: [&[u8]; 12] = [
        &[0x00],
        &[0x80, 0x00],
        &[0x80, 0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x80, 0x0f],
        &[0x80, 0x80, 0x80, 0x80, 0x10],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0x80],
        &[0x7f],
        &[0x10],
    ];
    const TAIL: [u8; 3] = [0x0b, 0x0b, 0x00];
    for &opcode in FREQUENT {
        for first in numbers {
            for second in numbers {
                for length in 0..=TAIL.len() {
                    // Operands of each type below, in unreachable code.
                    let body = [&[0, 0x00, opcode], first, second, &TAIL[..length]].concat();
                    _ = sample.compare(&body);
                    let body = [&[0, 0x20, 0, 0x20, 0, opcode], first, second].concat();
                    _ = sample.compare(&body);
                }
            }
        }
    }
}
