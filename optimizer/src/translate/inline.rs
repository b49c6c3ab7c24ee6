//! Inlining: the body of a small callee is translated in place of its call.
//!
//! A copy of a body is translated as a block would be, by the same pass: arguments become its first
//! parameters' values, `return` branches to its end, and what is known of memory, globals and
//! extended values stays known on the way in and, where the copy has one way out, on the way out.
//! Its locals are variables that copies use one after the other.
//!
//! Instructions of a copy have source locations beyond the module's last byte, in a range of the
//! copy's own; [`Copies`] maps them back, so that traps, calls and any other instruction know their
//! chain of functions.
//!
//! The work stays in proportion to the caller's: copies are limited in size each, in depth, in
//! total for each call of the body ([`SITE_BYTES`]) and in total for the body.

use std::collections::HashMap;
use std::mem;
use std::ops::Range;
use std::rc::Rc;

use cranelift_codegen::ir::SourceLoc;
use upshift_abi::sites::InlinedFrame;
use upshift_abi::{
    CompileRequest, DefinedFuncIndex, InlinedIndex, Kind, ModuleFacts, ValType, WasmOffset,
    callconv,
};
use wasmparser::{BinaryReader, FunctionBody, Operator};

use super::extend::variable_type;
use super::locals::Usage;
use super::{Local, TranslateError, Translator, TypedVar};
use crate::options::Inline;
use crate::signature::clif_type;

/// How much is inlined where.
struct Extent {
    /// The most operators that make code, of a callee that the body calls itself; half as many in
    /// each further copy.
    operators: u32,
    /// Bytes of bodies that all calls may become: the body's own size, divided by this.
    divisor: u32,
    /// The same, however small the body is.
    least_bytes: u32,
}

/// Outside of loops: little more than the code of the call itself.
const STRAIGHT: Extent = Extent {
    operators: 8,
    divisor: 8,
    least_bytes: 150,
};

/// In loops.
const IN_LOOPS: Extent = Extent {
    operators: 24,
    divisor: 2,
    least_bytes: 1200,
};

/// The longest body that is looked at.
const MAX_BODY_BYTES: u32 = 200;

/// The most parameters and locals.
const MAX_LOCALS: usize = 24;

/// The most copies in each other.
const MAX_DEPTH: usize = 3;

/// The most times that a function appears in a chain of copies, itself at the root included.
const MAX_RECURSION: usize = 2;

/// Bytes of bodies that one call of the function's own body may become.
const SITE_BYTES: u32 = 300;

/// The most bytes of bodies that all calls may become, however large the function is.
const MOST_BYTES: u32 = 20_000;

impl Extent {
    /// Bytes of bodies that all calls of a body of this size may become.
    fn bytes(&self, body_bytes: u32) -> u32 {
        (body_bytes / self.divisor).clamp(self.least_bytes, MOST_BYTES)
    }
}

/// What can be inlined of a function.
struct Callee {
    /// Kinds of parameters and locals.
    locals: Box<[Kind]>,
    params: usize,
    /// Operators that make code.
    operators: u32,
    loops: u32,
}

impl Callee {
    /// Looks at a function; `None` if it is never inlined.
    fn of(facts: &ModuleFacts, body: &FunctionBody<'_>, func: DefinedFuncIndex) -> Option<Self> {
        if facts.body_len(func) > MAX_BODY_BYTES {
            return None;
        }
        let params = &facts.defined_func_type(func).params;
        let mut locals: Vec<Kind> = callconv::kinds(params).collect();
        for group in body.get_locals_reader().ok()? {
            let (count, ty) = group.ok()?;
            let count = (count as usize).min(MAX_LOCALS + 1);
            locals.resize(locals.len() + count, ValType::from_wasm(ty)?.kind());
        }
        if locals.len() > MAX_LOCALS {
            return None;
        }
        let mut callee = Self {
            locals: locals.into(),
            params: params.len(),
            operators: 0,
            loops: 0,
        };
        for operator in body.get_operators_reader().ok()? {
            match operator.ok()? {
                // The frame of the caller's caller would be the next one on the stack.
                Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. } => return None,
                Operator::Loop { .. } => callee.loops += 1,
                Operator::LocalGet { .. }
                | Operator::LocalSet { .. }
                | Operator::LocalTee { .. }
                | Operator::I32Const { .. }
                | Operator::I64Const { .. }
                | Operator::Drop
                | Operator::Nop
                | Operator::Block { .. }
                | Operator::Else
                | Operator::End => {}
                Operator::BrTable { targets } => callee.operators += 1 + targets.len(),
                Operator::TryTable { try_table } => {
                    callee.operators += 1 + try_table.catches.len() as u32;
                }
                _ => callee.operators += 1,
            }
        }
        Some(callee)
    }
}

/// The copies in a piece of code, and which source locations are theirs.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    frames: Vec<InlinedFrame>,
    /// For each copy its source locations and where its body begins in the module.
    bodies: Vec<(Range<u32>, WasmOffset)>,
}

impl Copies {
    /// The copies in the form that artifacts have.
    pub(crate) fn frames(&self) -> &[InlinedFrame] {
        &self.frames
    }

    /// The copy that a source location is in, and its place in the module.
    pub(crate) fn resolve(&self, location: SourceLoc) -> (Option<InlinedIndex>, WasmOffset) {
        let bits = location.bits();
        let behind = self
            .bodies
            .partition_point(|(range, _)| range.start <= bits);
        match behind.checked_sub(1).map(|copy| (copy, &self.bodies[copy])) {
            Some((copy, (range, body))) if range.contains(&bits) => {
                let wasm = WasmOffset(body.0 + (bits - range.start));
                (Some(InlinedIndex::from_index(copy)), wasm)
            }
            _ => (None, WasmOffset(bits)),
        }
    }

    /// The operator of the function's own body that a source location belongs to: the one there, or
    /// the call that a copy stands for.
    pub(super) fn root(&self, location: SourceLoc) -> WasmOffset {
        let (mut copy, mut wasm) = self.resolve(location);
        while let Some(index) = copy {
            let frame = &self.frames[index.index()];
            (copy, wasm) = (frame.parent, frame.wasm);
        }
        wasm
    }

    /// Adds a copy of a body of the module; `None` if there are no source locations left for it.
    fn add(&mut self, frame: InlinedFrame, body: &Range<u32>, wasm: &[u8]) -> Option<InlinedIndex> {
        let start = match self.bodies.last() {
            Some((range, _)) => range.end,
            None => u32::try_from(wasm.len()).ok()?,
        };
        let end = start.checked_add(body.end - body.start)?;
        self.bodies.push((start..end, WasmOffset(body.start)));
        self.frames.push(frame);
        Some(InlinedIndex::from_index(self.frames.len() - 1))
    }
}

/// The state of inlining in one translation.
pub(crate) struct Inlining<'a> {
    wasm: &'a [u8],
    copies: Copies,
    /// The copies around the current position, with the number of control frames around each.
    open: Vec<(InlinedIndex, usize)>,
    /// Functions that were looked at.
    callees: HashMap<DefinedFuncIndex, Option<Rc<Callee>>>,
    /// Bytes that copies outside of loops may still take.
    straight_bytes: u32,
    /// Bytes that copies in loops may still take.
    loop_bytes: u32,
    /// Bytes that copies may still take inside the current call of the function's own body.
    site_bytes: u32,
    /// Variables of copies that have ended.
    free: Vec<TypedVar>,
    /// Variables and blocks that the frontend keeps entries for, about.
    variables: usize,
    blocks: usize,
}

impl<'a> Inlining<'a> {
    pub(super) fn new(request: &CompileRequest<'a>) -> Self {
        let body_bytes = request.body().len() as u32;
        Self {
            wasm: request.wasm,
            copies: Copies::default(),
            open: Vec::new(),
            callees: HashMap::new(),
            straight_bytes: STRAIGHT.bytes(body_bytes),
            loop_bytes: IN_LOOPS.bytes(body_bytes),
            site_bytes: 0,
            free: Vec::new(),
            variables: 0,
            blocks: 0,
        }
    }

    /// Notes how much the function's own body takes of what the frontend can bear.
    pub(super) fn note_size(&mut self, variables: usize, blocks: usize) {
        (self.variables, self.blocks) = (variables, blocks);
    }

    pub(super) fn into_copies(self) -> Copies {
        self.copies
    }

    /// The operator of the function's own body that is translated: the one at the source location,
    /// or the call that the copies around it stand for.
    pub(super) fn root(&self, location: SourceLoc) -> WasmOffset {
        match self.open.first() {
            Some((copy, _)) => self.copies.frames[copy.index()].wasm,
            None => WasmOffset(location.bits()),
        }
    }

    /// The function that the innermost copy is of; `None` outside of copies.
    pub(super) fn func(&self) -> Option<DefinedFuncIndex> {
        let (copy, _) = self.open.last()?;
        Some(self.copies.frames[copy.index()].func)
    }

    /// The functions of the copies that a place lies in with so many control frames around it.
    pub(super) fn funcs_around(&self, frames: usize) -> impl Iterator<Item = DefinedFuncIndex> {
        let around = self.open.iter().filter(move |(_, around)| *around < frames);
        around.map(|(copy, _)| self.copies.frames[copy.index()].func)
    }

    /// The number of control frames around the innermost copy; `None` outside of copies.
    pub(crate) fn frames_around(&self) -> Option<usize> {
        self.open.last().map(|&(_, frames)| frames)
    }
}

impl<'a> Translator<'a> {
    /// Translates a function in place of its call, if that pays: pops the arguments and pushes the
    /// results. Returns whether it did.
    pub(crate) fn inline(&mut self, func: DefinedFuncIndex) -> Result<bool, TranslateError> {
        if self.env.config.inline == Inline::None {
            return Ok(false);
        }
        let Some(callee) = self.inlinable(func) else {
            return Ok(false);
        };
        let facts = self.env.facts;
        let (parent, wasm) = self.inlining.copies.resolve(self.builder.srcloc());
        let frame = InlinedFrame { parent, func, wasm };
        let range = &facts.bodies[func.index()];
        let Some(copy) = self.inlining.copies.add(frame, range, self.inlining.wasm) else {
            return Ok(false);
        };
        match self.is_in_loop() {
            true => self.inlining.loop_bytes -= facts.body_len(func),
            false => self.inlining.straight_bytes -= facts.body_len(func),
        }
        self.inlining.site_bytes -= facts.body_len(func);
        self.inlining.blocks += facts.body_len(func) as usize / 2;
        self.meter.add_body(facts.body_len(func));

        let call = self.builder.srcloc();
        let args = self.peek(callee.params).to_vec();
        let outer = self.enter_copy(&callee);
        self.inlining.open.push((copy, self.control.depth()));
        self.push_function_frame(&facts.defined_func_type(func).results);
        let location = WasmOffset(self.inlining.copies.bodies[copy.index()].0.start);
        let body = self.inlining.body(facts, func);
        self.report_call(&body, location, &args)?;
        self.translate_body(&body, location)?;
        if self.control.is_reachable() {
            self.report_return();
        }
        self.inlining.open.pop();
        self.builder.set_srcloc(call);
        let inner = mem::replace(&mut self.locals, outer);
        self.inlining
            .free
            .extend(inner.into_iter().map(|local| match local {
                Local::Variable(variable) => variable,
                Local::Memory(_) | Local::Unused => unreachable!("copies have variables only"),
            }));
        Ok(true)
    }

    /// The position in the module of the operator that is translated.
    pub(crate) fn position(&self) -> WasmOffset {
        self.inlining.copies.resolve(self.builder.srcloc()).1
    }

    /// The callee, if it is to be inlined at the current position.
    fn inlinable(&mut self, func: DefinedFuncIndex) -> Option<Rc<Callee>> {
        let facts = self.env.facts;
        let in_loop = self.is_in_loop();
        let state = &mut self.inlining;
        let (extent, left) = match in_loop {
            true => (IN_LOOPS, state.loop_bytes),
            false => (STRAIGHT, state.straight_bytes),
        };
        if state.open.is_empty() {
            state.site_bytes = SITE_BYTES;
        }
        let bytes = facts.body_len(func);
        if bytes > left.min(state.site_bytes) || state.open.len() >= MAX_DEPTH {
            return None;
        }
        let frames = &state.copies.frames;
        let chain = state.open.iter().map(|(copy, _)| frames[copy.index()].func);
        let chain = chain.chain([self.env.func()]);
        if chain.filter(|&outer| outer == func).count() >= MAX_RECURSION {
            return None;
        }
        if !state.callees.contains_key(&func) {
            let intact = facts.body_is_intact(func, state.wasm);
            let callee = intact.then(|| Callee::of(facts, &state.body(facts, func), func));
            let callee = callee.flatten().map(Rc::new);
            state.callees.insert(func, callee);
        }
        let callee = state.callees[&func].clone()?;
        let fits = callee.operators <= extent.operators >> state.open.len()
            && Usage::can_grow(
                state.variables + MAX_DEPTH * callee.locals.len(),
                state.blocks + bytes as usize,
            )
            && self.has_room_for(callee.loops);
        fits.then_some(callee)
    }

    /// Gives a copy its locals, with the arguments as the first ones; returns those of the function
    /// around it.
    fn enter_copy(&mut self, callee: &Callee) -> Vec<Local> {
        let locals = callee.locals.iter().map(|&kind| {
            let ty = clif_type(kind);
            let free = &mut self.inlining.free;
            let known = free.iter().rposition(|variable| variable.ty == ty);
            Local::Variable(match known {
                Some(position) => free.swap_remove(position),
                None => TypedVar {
                    var: self.builder.declare_var(variable_type(ty)),
                    ty,
                },
            })
        });
        let locals = locals.collect();
        let outer = mem::replace(&mut self.locals, locals);
        let first = self.stack.len() - callee.params;
        let args = self.stack.split_off(first);
        for (index, &arg) in args.iter().enumerate() {
            self.set_local(index, arg);
        }
        for (index, &kind) in callee.locals.iter().enumerate().skip(callee.params) {
            let zero = self.zero(kind);
            self.set_local(index, zero);
        }
        outer
    }
}

impl<'a> Inlining<'a> {
    /// The body of a function of the module.
    fn body(&self, facts: &ModuleFacts, func: DefinedFuncIndex) -> FunctionBody<'a> {
        let range = &facts.bodies[func.index()];
        let bytes = &self.wasm[range.start as usize..range.end as usize];
        FunctionBody::new(BinaryReader::new(bytes, range.start.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_locations_lead_to_their_copy() {
        let mut copies = Copies::default();
        let frame = |parent| InlinedFrame {
            parent,
            func: DefinedFuncIndex(3),
            wasm: WasmOffset(20),
        };
        let wasm = [0; 100];
        let first = copies.add(frame(None), &(40..50), &wasm);
        assert_eq!(first, Some(InlinedIndex(0)));
        copies.add(frame(first), &(70..75), &wasm).unwrap();
        let resolve = |bits| {
            let (copy, wasm) = copies.resolve(SourceLoc::new(bits));
            (copy.map(|copy| copy.0), wasm.0)
        };
        assert_eq!(resolve(99), (None, 99));
        assert_eq!(resolve(100), (Some(0), 40));
        assert_eq!(resolve(109), (Some(0), 49));
        assert_eq!(resolve(110), (Some(1), 70));
        assert_eq!(resolve(115), (None, 115));
        let roots = [99, 105, 112].map(|bits| copies.root(SourceLoc::new(bits)).0);
        assert_eq!(roots, [99, 20, 20]);
    }
}
