//! Makes a program smaller that still shows a difference: by turns it takes away exports, empties
//! functions, and replaces ranges of instructions by `drop`s and constants that leave the stack as
//! the range does. What is not valid any more is not tried, so that every proposal can be reduced
//! that the validator knows.
//!
//! The instructions by which a generated program ends stay where they are: a loop goes as a whole
//! or keeps them. Programs of several threads lose only exports: without some instructions their
//! result would depend on which thread is faster.

use std::ops::Range;
use std::time::{Duration, Instant};

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Instruction, Module, RawSection, SectionId,
};
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, ValType,
    ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use crate::program::Program;
use crate::threads;

/// Makes a program smaller for as long as it remains `wanted`, which is asked of valid programs
/// only; returns the smallest when nothing more can be taken away or the time is over.
pub fn minimize(
    program: &Program,
    limit: Duration,
    mut wanted: impl FnMut(&Program) -> bool,
) -> Program {
    let end = Instant::now() + limit;
    let mut best = program.clone();
    let on_threads = program.on_threads();
    let mut wanted = |candidate: &Program| {
        Instant::now() < end && candidate.exports().is_ok() && wanted(candidate)
    };
    loop {
        let before = size(&best);
        without_last_modules(&mut best, &mut wanted);
        for module in 0..best.modules.len() {
            without_exports(&mut best, module, &mut wanted);
            if on_threads {
                continue;
            }
            empty_functions(&mut best, module, &mut wanted);
            shorten_functions(&mut best, module, &mut wanted);
        }
        if size(&best) >= before || Instant::now() >= end {
            return best;
        }
    }
}

/// The bytes of all modules.
fn size(program: &Program) -> usize {
    program.modules.iter().map(Vec::len).sum()
}

/// Takes over a candidate if it is wanted.
fn propose(
    best: &mut Program,
    module: usize,
    wasm: Vec<u8>,
    wanted: &mut impl FnMut(&Program) -> bool,
) -> bool {
    let mut candidate = best.clone();
    candidate.modules[module] = wasm;
    let taken = wanted(&candidate);
    if taken {
        *best = candidate;
    }
    taken
}

fn without_last_modules(best: &mut Program, wanted: &mut impl FnMut(&Program) -> bool) {
    while best.modules.len() > 1 {
        let mut candidate = best.clone();
        candidate.modules.pop();
        if !wanted(&candidate) {
            return;
        }
        *best = candidate;
    }
}

/// A module in parts: function bodies and exports, which change, and all other sections.
struct Parts<'a> {
    sections: Vec<(u8, &'a [u8])>,
    bodies: Vec<Vec<u8>>,
    exports: Vec<wasmparser::Export<'a>>,
}

impl<'a> Parts<'a> {
    fn of(wasm: &'a [u8]) -> Self {
        let mut parts = Self {
            sections: Vec::new(),
            bodies: Vec::new(),
            exports: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.expect("valid");
            if let Payload::CodeSectionEntry(body) = &payload {
                parts.bodies.push(body.as_bytes().to_vec());
            }
            if let Payload::ExportSection(exports) = &payload {
                let exports = exports.clone().into_iter();
                parts.exports = exports.map(|export| export.expect("valid")).collect();
            }
            if let Some((id, range)) = payload.as_section() {
                parts.sections.push((id, &wasm[range]));
            }
        }
        parts
    }

    fn encode(&self) -> Vec<u8> {
        let mut module = Module::new();
        for &(id, data) in &self.sections {
            if id == SectionId::Code as u8 {
                let mut code = CodeSection::new();
                for body in &self.bodies {
                    code.raw(body);
                }
                module.section(&code);
            } else if id == SectionId::Export as u8 {
                let mut exports = ExportSection::new();
                for export in &self.exports {
                    let kind = ExportKind::from(export.kind);
                    exports.export(export.name, kind, export.index);
                }
                module.section(&exports);
            } else {
                module.section(&RawSection { id, data });
            }
        }
        module.finish()
    }
}

fn without_exports(best: &mut Program, module: usize, wanted: &mut impl FnMut(&Program) -> bool) {
    let mut at = 0;
    loop {
        let wasm = best.modules[module].clone();
        let mut parts = Parts::of(&wasm);
        if at >= parts.exports.len() {
            return;
        }
        let export = parts.exports.remove(at);
        if threads::EXPORTS.contains(&export.name) || !propose(best, module, parts.encode(), wanted)
        {
            at += 1;
        }
    }
}

/// Makes every function that is not needed trap at once.
fn empty_functions(best: &mut Program, module: usize, wanted: &mut impl FnMut(&Program) -> bool) {
    // No locals, `unreachable`, `end`.
    const TRAPS: [u8; 3] = [0, 0, 0x0b];
    let count = Parts::of(&best.modules[module]).bodies.len();
    for function in 0..count {
        let wasm = best.modules[module].clone();
        let mut parts = Parts::of(&wasm);
        if parts.bodies[function] != TRAPS {
            parts.bodies[function] = TRAPS.to_vec();
            propose(best, module, parts.encode(), wanted);
        }
    }
}

fn shorten_functions(best: &mut Program, module: usize, wanted: &mut impl FnMut(&Program) -> bool) {
    let count = Parts::of(&best.modules[module]).bodies.len();
    for function in 0..count {
        let mut length = operators(&best.modules[module], function).points.len() / 2;
        while length > 0 {
            shorten(best, module, function, length, wanted);
            length /= 2;
        }
    }
}

/// Replaces ranges of up to so many operators, one behind the other.
fn shorten(
    best: &mut Program,
    module: usize,
    function: usize,
    length: usize,
    wanted: &mut impl FnMut(&Program) -> bool,
) {
    let mut at = 0;
    loop {
        let wasm = best.modules[module].clone();
        let found = operators(&wasm, function);
        let last = found.points.len() - 1;
        if at >= last {
            return;
        }
        // The longest range from here that leaves blocks as they are.
        let ends = (at + 1..=(at + length).min(last)).rev();
        let replaced = ends.into_iter().find_map(|end| found.replace(at..end));
        if let Some(body) = replaced {
            let mut parts = Parts::of(&wasm);
            if body.len() < parts.bodies[function].len() {
                parts.bodies[function] = body;
                if propose(best, module, parts.encode(), wanted) {
                    continue;
                }
            }
        }
        at += length.div_ceil(2);
    }
}

/// The state between two operators.
struct Point {
    /// Where the next operator begins, in the body.
    offset: usize,
    /// How many blocks are open.
    blocks: u32,
    /// How many blocks were open at the lowest while the operator before ran: `else` ends one.
    lowest: u32,
    /// Whether the point can't be reached, so that the types are not all known.
    dead: bool,
    /// The operands, from the bottom.
    types: Vec<Option<ValType>>,
    /// Whether the operator before is one of those by which the program ends.
    fuel: bool,
}

/// A function body with what the validator knows of it.
struct Operators<'a> {
    body: &'a [u8],
    points: Vec<Point>,
}

fn operators(wasm: &[u8], wanted: usize) -> Operators<'_> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut number = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.expect("valid");
        if let ValidPayload::Func(function, body) = validator.payload(&payload).expect("valid") {
            if number == wanted {
                return validated(function, &body);
            }
            number += 1;
        }
    }
    unreachable!("the module has the function")
}

fn validated<'a>(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'a>,
) -> Operators<'a> {
    let mut validator = function.into_validator(FuncValidatorAllocations::default());
    let start = body.range().start;
    let mut locals = body.get_binary_reader();
    validator.read_locals(&mut locals).expect("valid");
    let mut points = Vec::new();
    let mut fuel = Fuel::default();
    let mut reader = body.get_operators_reader().expect("valid");
    let mut lowest = validator.control_stack_height();
    let mut is_fuel = false;
    loop {
        let height = validator.operand_stack_height() as usize;
        let types = (0..height).rev();
        let types = types.map(|depth| validator.get_operand_type(depth).flatten());
        points.push(Point {
            offset: reader.original_position() - start,
            blocks: validator.control_stack_height(),
            lowest,
            dead: validator
                .get_control_frame(0)
                .is_none_or(|frame| frame.unreachable),
            types: types.collect(),
            fuel: is_fuel,
        });
        if reader.eof() {
            break;
        }
        let (operator, offset) = reader.read_with_offset().expect("valid");
        let before = validator.control_stack_height();
        validator.op(offset, &operator).expect("valid");
        let switches = matches!(
            operator,
            Operator::Else | Operator::Catch { .. } | Operator::CatchAll
        );
        lowest = validator.control_stack_height().min(before) - u32::from(switches);
        is_fuel = fuel.step(&operator);
    }
    Operators {
        body: body.as_bytes(),
        points,
    }
}

/// Recognizes the instructions by which generated programs end: where the counter is zero, a trap;
/// else one is taken from it.
#[derive(Default)]
struct Fuel {
    counter: Option<u32>,
}

impl Fuel {
    /// Whether the operator may be one of them. They are the only ones behind a loop's beginning or
    /// a function's, and end with the counter's change; more than these does no harm.
    fn step(&mut self, operator: &Operator<'_>) -> bool {
        match *operator {
            Operator::GlobalGet { global_index } if self.counter.is_none() => {
                self.counter = Some(global_index);
            }
            _ => {}
        }
        let Some(counter) = self.counter else {
            return true;
        };
        match *operator {
            Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index } => {
                global_index == counter
            }
            Operator::Unreachable | Operator::I32Eqz | Operator::I32Sub | Operator::If { .. } => {
                true
            }
            Operator::I32Const { value } => value == 1,
            Operator::End => true,
            _ => false,
        }
    }
}

impl Operators<'_> {
    /// The body with a range of operators replaced by ones that leave the same types; `None` if the
    /// range is not whole, or what it leaves can't be made from nothing.
    fn replace(&self, range: Range<usize>) -> Option<Vec<u8>> {
        let (from, to) = (&self.points[range.start], &self.points[range.end]);
        let within = &self.points[range.start + 1..=range.end];
        let whole = from.blocks == to.blocks && within.iter().all(|p| p.lowest >= from.blocks);
        let ends = within.iter().any(|p| p.fuel && p.blocks <= from.blocks);
        if !whole || from.dead || ends {
            return None;
        }
        let mut body = self.body[..from.offset].to_vec();
        if to.dead {
            Instruction::Unreachable.encode_to(&mut body);
        } else {
            let pairs = from.types.iter().zip(&to.types);
            let common = pairs.take_while(|(left, right)| left == right).count();
            for _ in common..from.types.len() {
                Instruction::Drop.encode_to(&mut body);
            }
            for ty in &to.types[common..] {
                default((*ty)?)?.encode_to(&mut body);
            }
        }
        body.extend_from_slice(&self.body[to.offset..]);
        Some(body)
    }
}

fn default(ty: ValType) -> Option<Instruction<'static>> {
    Some(match ty {
        ValType::I32 => Instruction::I32Const(0),
        ValType::I64 => Instruction::I64Const(0),
        ValType::F32 => Instruction::F32Const(0.0.into()),
        ValType::F64 => Instruction::F64Const(0.0.into()),
        ValType::V128 => Instruction::V128Const(0),
        ValType::Ref(ty) if ty.is_nullable() => {
            Instruction::RefNull(ty.heap_type().try_into().ok()?)
        }
        ValType::Ref(_) => return None,
    })
}

/// Appends an instruction's bytes.
trait EncodeTo {
    fn encode_to(&self, sink: &mut Vec<u8>);
}

impl EncodeTo for Instruction<'_> {
    fn encode_to(&self, sink: &mut Vec<u8>) {
        wasm_encoder::Encode::encode(self, sink);
    }
}
