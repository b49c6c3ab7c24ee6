//! Rewrites a module to throw exceptions and to catch them in the older form.
//!
//! Blocks become `try` blocks, whose labels mean the same: some with clauses behind what the block
//! does, some that delegate to any block outside, and some that do it in a clause, where an
//! exception can be thrown again. Throws stand anywhere, under a condition on a global that counts;
//! handlers throw, branch, and catch in turn. All tags are exported, so that modules throw to each
//! other.

use fastrand::Rng;
use wasm_encoder::{BlockType, ConstExpr, ExportKind, Function, Instruction, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::additions::{Additions, Signature};

/// How many operators at the beginning of functions and loops stay as they are: they count the
/// steps, by which the program ends.
const FUEL_CHECK: u32 = 10;
/// The share of the operators that a throw is put before: one of so many.
const THROWS: usize = 14;

/// Rewrites a module, which is valid.
pub fn rewrite(wasm: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut additions = Additions::to(wasm);
    let counter = additions.global(ValType::I32, &ConstExpr::i32_const(0));
    additions.export("legacy:counter", ExportKind::Global, counter);
    let known = 0..additions.known_tags();
    let mut tags: Vec<Tag> = known.map(|tag| additions.tag_values(tag)).collect();
    let more = [
        vec![],
        vec![ValType::I32],
        vec![ValType::I64, ValType::F32, ValType::FUNCREF],
    ];
    for values in more {
        let ty = additions.ty((values.clone(), Vec::new()));
        additions.tag(ty);
        tags.push(values);
    }
    for tag in 0..tags.len() as u32 {
        additions.export(&format!("legacy:tag{tag}"), ExportKind::Tag, tag);
    }
    additions.rewrite(|additions, number, body| {
        let writer = Writer {
            rng: &mut *rng,
            additions,
            tags: &tags,
            counter,
            frames: Vec::new(),
            function: Function::new([]),
        };
        writer.function(number, body)
    });
    additions.write()
}

/// What exceptions of a tag carry.
type Tag = Vec<ValType>;

/// An open block.
struct Frame {
    kind: Kind,
    /// What a branch to it takes.
    label: Vec<ValType>,
    /// What it leaves.
    results: Vec<ValType>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything that stays as it is.
    Other,
    /// The body of a `try`, which gets its clauses at its end.
    Try,
    /// A clause of a `try`.
    Handler,
}

struct Writer<'w, 'a> {
    rng: &'w mut Rng,
    additions: &'w mut Additions<'a>,
    tags: &'w [Tag],
    counter: u32,
    frames: Vec<Frame>,
    function: Function,
}

impl<'a> Writer<'_, 'a> {
    fn function(mut self, number: u32, body: &FunctionBody<'a>) -> Function {
        self.function = Function::new(self.additions.locals(body));
        let results = self.additions.signature(number).1.clone();
        self.open(Kind::Other, (Vec::new(), results.clone()));
        if self.rng.bool() {
            let signature = (Vec::new(), results);
            let ty = self.additions.block_type(signature.clone());
            self.emit(&Instruction::Try(ty));
            self.open(Kind::Try, signature);
        }
        let mut since_check = 0;
        for operator in body.get_operators_reader().expect("valid") {
            let operator = operator.expect("valid");
            since_check += 1;
            if matches!(operator, Operator::Loop { .. }) {
                since_check = 0;
            }
            if since_check > FUEL_CHECK && self.rng.usize(..THROWS) == 0 {
                self.count();
                self.sometimes(Self::throw);
            }
            self.operator(operator);
        }
        // The function's end has closed the `try` around everything, if there is one.
        if !self.frames.is_empty() {
            self.close(0);
        }
        self.function
    }

    fn emit(&mut self, instruction: &Instruction<'_>) {
        self.function.instruction(instruction);
    }

    fn open(&mut self, kind: Kind, (_, results): Signature) {
        self.frames.push(Frame {
            kind,
            label: results.clone(),
            results,
        });
    }

    fn operator(&mut self, operator: Operator<'a>) {
        match operator {
            Operator::Block { blockty } => {
                let signature = self.additions.block(blockty);
                let ty = self.additions.block_type(signature.clone());
                match self.rng.usize(..4) {
                    0 => {
                        self.emit(&Instruction::Block(ty));
                        self.open(Kind::Other, signature);
                    }
                    1 if signature.0.is_empty() => {
                        self.emit(&Instruction::Try(ty));
                        self.open(Kind::Try, signature);
                        let tag = self.throw();
                        self.catch(tag);
                    }
                    _ => {
                        self.emit(&Instruction::Try(ty));
                        self.open(Kind::Try, signature);
                    }
                }
                return;
            }
            Operator::Loop { blockty } => {
                let (label, results) = self.additions.block(blockty);
                self.frames.push(Frame {
                    kind: Kind::Other,
                    label,
                    results,
                });
            }
            Operator::If { blockty } => {
                let signature = self.additions.block(blockty);
                self.open(Kind::Other, signature);
            }
            Operator::TryTable { ref try_table } => {
                let signature = self.additions.block(try_table.ty);
                self.open(Kind::Other, signature);
            }
            Operator::End => return self.close(2),
            _ => {}
        }
        let instruction = self.additions.encoded(operator);
        self.emit(&instruction);
    }

    /// Ends the innermost block, by clauses if it is the body of a `try`.
    fn close(&mut self, depth: u32) {
        let frame = self.frames.last().expect("a block is open");
        if frame.kind == Kind::Try {
            if self.rng.usize(..4) == 0 {
                self.frames.pop();
                let target = self.rng.u32(..self.frames.len() as u32);
                self.emit(&Instruction::Delegate(target));
                return;
            }
            self.clauses(depth);
        }
        self.frames.pop();
        self.emit(&Instruction::End);
    }

    fn clauses(&mut self, depth: u32) {
        for _ in 0..self.rng.usize(..3) {
            let tag = self.rng.usize(..self.tags.len());
            self.catch(tag);
            self.handle(depth);
        }
        if self.rng.bool() {
            self.emit(&Instruction::CatchAll);
            self.frames.last_mut().expect("a block is open").kind = Kind::Handler;
            self.handle(depth);
        }
    }

    /// Begins a clause, and takes what the exception carries from the stack.
    fn catch(&mut self, tag: usize) {
        self.emit(&Instruction::Catch(tag as u32));
        self.frames.last_mut().expect("a block is open").kind = Kind::Handler;
        let tags = self.tags;
        for &ty in tags[tag].iter().rev() {
            let number: &[Instruction<'_>] = match ty {
                ValType::I32 => &[],
                ValType::I64 => &[Instruction::I32WrapI64],
                ValType::F32 => &[Instruction::I32ReinterpretF32],
                ValType::F64 => &[Instruction::I64ReinterpretF64, Instruction::I32WrapI64],
                ValType::V128 => &[Instruction::Drop, Instruction::I32Const(1)],
                ValType::Ref(_) => &[Instruction::RefIsNull],
            };
            for instruction in number {
                self.emit(instruction);
            }
            self.emit(&Instruction::GlobalGet(self.counter));
            self.emit(&Instruction::I32Add);
            self.emit(&Instruction::GlobalSet(self.counter));
        }
    }

    /// What a clause does, up to the block's results.
    fn handle(&mut self, depth: u32) {
        self.count();
        match self.rng.usize(..8) {
            0 | 1 => self.sometimes(Self::throw_again),
            2 => {
                self.throw_again();
            }
            3 => self.sometimes(Self::throw),
            4 => self.sometimes(Self::branch),
            5 | 6 if depth > 0 => {
                self.emit(&Instruction::Try(BlockType::Empty));
                self.open(Kind::Try, (Vec::new(), Vec::new()));
                self.sometimes(Self::throw);
                self.close(depth - 1);
            }
            _ => {}
        }
        let results = self.frames.last().expect("a block is open").results.clone();
        self.values(&results);
    }

    fn count(&mut self) {
        let step = self.rng.i32(1..8);
        self.emit(&Instruction::GlobalGet(self.counter));
        self.emit(&Instruction::I32Const(step));
        self.emit(&Instruction::I32Add);
        self.emit(&Instruction::GlobalSet(self.counter));
    }

    /// Does something that does not go on behind it, under a condition.
    fn sometimes<T>(&mut self, what: impl FnOnce(&mut Self) -> T) {
        let mask = [1, 3, 7, 15][self.rng.usize(..4)];
        self.emit(&Instruction::GlobalGet(self.counter));
        self.emit(&Instruction::I32Const(mask));
        self.emit(&Instruction::I32And);
        self.emit(&Instruction::I32Eqz);
        self.emit(&Instruction::If(BlockType::Empty));
        self.open(Kind::Other, (Vec::new(), Vec::new()));
        what(self);
        self.frames.pop();
        self.emit(&Instruction::End);
    }

    fn throw(&mut self) -> usize {
        let tags = self.tags;
        let tag = self.rng.usize(..tags.len());
        self.values(&tags[tag]);
        self.emit(&Instruction::Throw(tag as u32));
        tag
    }

    /// Throws an exception again that a clause outside has caught, if there is one.
    fn throw_again(&mut self) {
        let frames = self.frames.iter().rev().enumerate();
        let handlers = frames.filter(|(_, frame)| frame.kind == Kind::Handler);
        let handlers: Vec<_> = handlers.map(|(depth, _)| depth as u32).collect();
        if let Some(&depth) = self.rng.choice(&handlers) {
            self.emit(&Instruction::Rethrow(depth));
        }
    }

    fn branch(&mut self) {
        let depth = self.rng.usize(..self.frames.len());
        let frame = &self.frames[self.frames.len() - 1 - depth];
        let label = frame.label.clone();
        self.values(&label);
        self.emit(&Instruction::Br(depth as u32));
    }

    fn values(&mut self, types: &[ValType]) {
        for ty in types {
            let value = match ty {
                ValType::I32 => Instruction::GlobalGet(self.counter),
                ValType::I64 => Instruction::I64Const(self.rng.i64(..)),
                ValType::F32 => Instruction::F32Const((self.rng.f32()).into()),
                ValType::F64 => Instruction::F64Const((self.rng.f64()).into()),
                ValType::V128 => Instruction::V128Const(self.rng.i128(..)),
                ValType::Ref(ty) => Instruction::RefNull(ty.heap_type),
            };
            self.emit(&value);
        }
    }
}
