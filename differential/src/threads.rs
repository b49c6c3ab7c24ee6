//! Rewrites a module so that two threads can run it at the same time, over a shared memory, with a
//! result that does not depend on which is faster.
//!
//! Each thread has instances of its own, so that all it shares with the other is one memory. There
//! a thread has a region for plain accesses, and both change the same cells by atomic operators
//! whose order does not matter, or while they hold a lock. Where an operator returns what was there
//! before, the sum of all that was returned is what does not depend on the order. All of it is put
//! between the operators of the module, as it leaves the stack as it is.
//!
//! Around each call both threads wait for each other ([`ENTER`], [`LEAVE`]), and change regions, so
//! that each reads what the other wrote before.

use fastrand::Rng;
use wasm_encoder::{
    BlockType, ConstExpr, ExportKind, Function, Instruction, MemArg, MemoryType, ValType,
};
use wasmparser::{FunctionBody, Operator};

use crate::additions::Additions;
use crate::host;

/// How many threads run a program whose modules import the shared memory.
pub const COUNT: usize = 2;
/// The name by which the host exports the shared memory.
pub const MEMORY: &str = "shared";
/// The export that a thread calls before another, with its number and a number that counts calls.
pub const ENTER: &str = "thread:enter";
/// The export that a thread calls behind another.
pub const LEAVE: &str = "thread:leave";

/// What programs of several threads keep when they are made smaller.
pub const EXPORTS: [&str; 2] = [ENTER, LEAVE];

/// How many operators at the beginning of functions and loops stay as they are.
const FUEL_CHECK: u32 = 10;
/// The share of the operators that something is put before: one of so many.
const ACCESSES: usize = 7;
/// Where the regions begin, and the size of each, in bytes.
const REGIONS: i32 = 1024;
const REGION: i32 = 2048;
/// How long a thread waits for the other until it traps, in nanoseconds.
const PATIENCE: i64 = 60_000_000_000;

/// Cells of the shared memory, by their addresses.
mod cell {
    /// Counts how often all threads met.
    pub const GENERATION: u64 = 0;
    /// Threads that wait for the others.
    pub const ARRIVED: u64 = 4;
    /// One while a thread holds the lock.
    pub const LOCK: u64 = 8;
    /// Two numbers that only the thread that holds the lock accesses, by plain operators.
    pub const LOCKED: [u64; 2] = [16, 88];
    /// The next number that was not drawn, and the sum of those that were.
    pub const TICKET: u64 = 24;
    pub const TICKETS: u64 = 32;
    /// A number that is exchanged, and the sum of those that were there before.
    pub const EXCHANGED: u64 = 40;
    pub const EXCHANGES: u64 = 48;
    /// Sums.
    pub const ADDED: u64 = 56;
    pub const COMPARED: u64 = 64;
    /// Bits that are only set, and bits that are only flipped.
    pub const SET: u64 = 72;
    pub const FLIPPED: u64 = 80;
}

/// Rewrites a module, which is valid. All modules of a program have addresses of the same type.
pub fn rewrite(wasm: &[u8], memory64: bool, rng: &mut Rng) -> Vec<u8> {
    let mut additions = Additions::to(wasm);
    let memory = additions.import_memory(
        host::NAME,
        MEMORY,
        MemoryType {
            minimum: 1,
            maximum: Some(3),
            memory64,
            shared: true,
            page_size_log2: None,
        },
    );
    additions.export("thread:memory", ExportKind::Memory, memory);
    let (address, first) = match memory64 {
        true => (ValType::I64, ConstExpr::i64_const(i64::from(REGIONS))),
        false => (ValType::I32, ConstExpr::i32_const(REGIONS)),
    };
    let region = additions.global(address, &first);
    let sum = additions.global(ValType::I64, &ConstExpr::i64_const(0));
    additions.export("thread:sum", ExportKind::Global, sum);
    let mut shared = Shared {
        memory,
        memory64,
        region,
        sum,
        lock: 0,
    };
    shared.add_functions(&mut additions);
    additions.rewrite(|additions, number, body| shared.function(additions, number, body, rng));
    additions.write()
}

/// The indexes of what was added.
struct Shared {
    memory: u32,
    memory64: bool,
    /// The global with the address of the thread's region.
    region: u32,
    /// The global to which the thread adds what it reads in its region.
    sum: u32,
    /// The function that takes the lock.
    lock: u32,
}

impl Shared {
    fn at(&self, offset: u64, align: u32) -> MemArg {
        MemArg {
            offset,
            align,
            memory_index: self.memory,
        }
    }

    /// A number of the type of addresses.
    fn address(&self, value: i32) -> Instruction<'static> {
        match self.memory64 {
            true => Instruction::I64Const(i64::from(value)),
            false => Instruction::I32Const(value),
        }
    }

    fn add_functions(&mut self, additions: &mut Additions<'_>) {
        let none = additions.ty((Vec::new(), Vec::new()));
        self.lock = additions.function(none, body(&[], &self.take_lock()));
        let meet = additions.function(none, body(&[(1, ValType::I32)], &self.meet()));
        let enter = additions.ty((vec![ValType::I32, ValType::I32], Vec::new()));
        let enter = additions.function(enter, body(&[], &self.enter(meet)));
        additions.export(ENTER, ExportKind::Func, enter);
        let leave = additions.function(none, body(&[], &self.leave(meet)));
        additions.export(LEAVE, ExportKind::Func, leave);
    }

    fn take_lock(&self) -> Vec<Instruction<'static>> {
        let lock = self.at(cell::LOCK, 2);
        vec![
            Instruction::Loop(BlockType::Empty),
            self.address(0),
            Instruction::I32Const(0),
            Instruction::I32Const(1),
            Instruction::I32AtomicRmwCmpxchg(lock),
            Instruction::If(BlockType::Empty),
            self.address(0),
            Instruction::I32Const(1),
            Instruction::I64Const(PATIENCE),
            Instruction::MemoryAtomicWait32(lock),
            Instruction::I32Const(2),
            Instruction::I32Eq,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
            Instruction::Br(1),
            Instruction::End,
            Instruction::End,
        ]
    }

    fn release_lock(&self) -> Vec<Instruction<'static>> {
        let lock = self.at(cell::LOCK, 2);
        vec![
            self.address(0),
            Instruction::I32Const(0),
            Instruction::I32AtomicStore(lock),
            self.address(0),
            Instruction::I32Const(1),
            Instruction::MemoryAtomicNotify(lock),
            Instruction::Drop,
        ]
    }

    /// Waits until all threads are here. The last one starts the next generation.
    fn meet(&self) -> Vec<Instruction<'static>> {
        let generation = self.at(cell::GENERATION, 2);
        let arrived = self.at(cell::ARRIVED, 2);
        vec![
            self.address(0),
            Instruction::I32AtomicLoad(generation),
            Instruction::LocalSet(0),
            self.address(0),
            Instruction::I32Const(1),
            Instruction::I32AtomicRmwAdd(arrived),
            Instruction::I32Const(COUNT as i32 - 1),
            Instruction::I32Eq,
            Instruction::If(BlockType::Empty),
            self.address(0),
            Instruction::I32Const(0),
            Instruction::I32AtomicStore(arrived),
            self.address(0),
            Instruction::I32Const(1),
            Instruction::I32AtomicRmwAdd(generation),
            Instruction::Drop,
            self.address(0),
            Instruction::I32Const(-1),
            Instruction::MemoryAtomicNotify(generation),
            Instruction::Drop,
            Instruction::Else,
            Instruction::Loop(BlockType::Empty),
            self.address(0),
            Instruction::I32AtomicLoad(generation),
            Instruction::LocalGet(0),
            Instruction::I32Eq,
            Instruction::If(BlockType::Empty),
            self.address(0),
            Instruction::LocalGet(0),
            Instruction::I64Const(PATIENCE),
            Instruction::MemoryAtomicWait32(generation),
            Instruction::I32Const(2),
            Instruction::I32Eq,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
            Instruction::Br(1),
            Instruction::End,
            Instruction::End,
            Instruction::End,
        ]
    }

    fn enter(&self, meet: u32) -> Vec<Instruction<'static>> {
        let mut code = vec![
            Instruction::LocalGet(0),
            Instruction::LocalGet(1),
            Instruction::I32Add,
            Instruction::I32Const(1),
            Instruction::I32And,
            Instruction::I32Const(REGION),
            Instruction::I32Mul,
            Instruction::I32Const(REGIONS),
            Instruction::I32Add,
        ];
        if self.memory64 {
            code.push(Instruction::I64ExtendI32U);
        }
        code.extend([Instruction::GlobalSet(self.region), Instruction::Call(meet)]);
        code
    }

    /// Waits for the others, and adds what was exchanged last to the sum of what was before.
    fn leave(&self, meet: u32) -> Vec<Instruction<'static>> {
        vec![
            Instruction::Call(meet),
            self.address(0),
            self.address(0),
            Instruction::I64Const(0),
            Instruction::I64AtomicRmwXchg(self.at(cell::EXCHANGED, 3)),
            Instruction::I64AtomicRmwAdd(self.at(cell::EXCHANGES, 3)),
            Instruction::Drop,
        ]
    }

    fn function<'a>(
        &self,
        additions: &mut Additions<'a>,
        number: u32,
        old: &FunctionBody<'a>,
        rng: &mut Rng,
    ) -> Function {
        let mut locals = additions.locals(old);
        let count: u32 = locals.iter().map(|(count, _)| count).sum();
        let scratch = additions.signature(number).0.len() as u32 + count;
        locals.push((1, ValType::I64));
        let mut function = Function::new(locals);
        let mut since_check = 0;
        for operator in old.get_operators_reader().expect("valid") {
            let operator = operator.expect("valid");
            since_check += 1;
            if matches!(operator, Operator::Loop { .. }) {
                since_check = 0;
            }
            if since_check > FUEL_CHECK && rng.usize(..ACCESSES) == 0 {
                for instruction in self.access(scratch, rng) {
                    function.instruction(&instruction);
                }
            }
            function.instruction(&additions.encoded(operator));
        }
        function
    }

    /// Something that a thread may do at any time; `scratch` is a local for it.
    fn access(&self, scratch: u32, rng: &mut Rng) -> Vec<Instruction<'static>> {
        match rng.usize(..20) {
            0..6 => self.change_region(rng),
            6 | 7 => self.read_region(rng),
            8 => self.fill_region(rng),
            9..12 => self.change_cell(rng),
            12 | 13 => self.return_former(scratch, rng),
            14 | 15 => self.compare(scratch, rng),
            16 | 17 => self.locked(rng),
            18 => vec![Instruction::AtomicFence],
            _ => vec![
                self.address(i32::from(rng.usize(..8) == 0)),
                Instruction::MemoryGrow(self.memory),
                Instruction::Drop,
            ],
        }
    }

    fn change_region(&self, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let at = self.at(rng.u64(..REGION as u64 - 8), 0);
        let region = Instruction::GlobalGet(self.region);
        let number = Instruction::I64Const(rng.i64(..));
        let small = Instruction::I32Const(rng.i32(..));
        let [load, number, change, store] = match rng.usize(..6) {
            0 => [
                Instruction::I64Load(at),
                number,
                Instruction::I64Add,
                Instruction::I64Store(at),
            ],
            1 => [
                Instruction::I64Load32U(at),
                number,
                Instruction::I64Xor,
                Instruction::I64Store(at),
            ],
            2 => [
                Instruction::I64Load16S(at),
                number,
                Instruction::I64Sub,
                Instruction::I64Store32(at),
            ],
            3 => [
                Instruction::I32Load(at),
                small,
                Instruction::I32Add,
                Instruction::I32Store(at),
            ],
            4 => [
                Instruction::I32Load8U(at),
                small,
                Instruction::I32Or,
                Instruction::I32Store16(at),
            ],
            _ => [
                Instruction::I32Load16U(at),
                small,
                Instruction::I32Mul,
                Instruction::I32Store8(at),
            ],
        };
        vec![region.clone(), region, load, number, change, store]
    }

    fn read_region(&self, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let at = self.at(rng.u64(..REGION as u64 - 8), 0);
        vec![
            Instruction::GlobalGet(self.sum),
            Instruction::GlobalGet(self.region),
            Instruction::I64Load(at),
            Instruction::I64Add,
            Instruction::GlobalSet(self.sum),
        ]
    }

    /// Fills or moves bytes within the region.
    fn fill_region(&self, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let mut place = || {
            let add = match self.memory64 {
                true => Instruction::I64Add,
                false => Instruction::I32Add,
            };
            let offset = self.address(rng.i32(..REGION / 2));
            [Instruction::GlobalGet(self.region), offset, add]
        };
        let mut code = place().to_vec();
        let source = place();
        let length = self.address(rng.i32(..REGION / 2));
        if rng.bool() {
            code.extend([
                Instruction::I32Const(rng.i32(..)),
                length,
                Instruction::MemoryFill(self.memory),
            ]);
        } else {
            code.extend(source);
            code.extend([
                length,
                Instruction::MemoryCopy {
                    src_mem: self.memory,
                    dst_mem: self.memory,
                },
            ]);
        }
        code
    }

    /// Changes a cell by an operator whose order among others of its kind does not matter.
    fn change_cell(&self, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let number = rng.i64(..);
        let wide = Instruction::I64Const(number);
        let narrow = Instruction::I32Const(number as i32);
        // Each half of the cell is a sum of its own, so that carries don't go from one to another.
        let [low, high] = [self.at(cell::ADDED, 2), self.at(cell::ADDED + 4, 2)];
        let byte = self.at(cell::FLIPPED + rng.u64(..8), 0);
        let half = self.at(cell::SET + 2 * rng.u64(..4), 1);
        let (number, change) = match rng.usize(..8) {
            0 => (narrow, Instruction::I32AtomicRmwAdd(low)),
            1 => (narrow, Instruction::I32AtomicRmwSub(low)),
            2 => (wide, Instruction::I64AtomicRmw32AddU(high)),
            3 => (wide, Instruction::I64AtomicRmw32SubU(high)),
            4 => (
                wide,
                Instruction::I64AtomicRmwXor(self.at(cell::FLIPPED, 3)),
            ),
            5 => (narrow, Instruction::I32AtomicRmw8XorU(byte)),
            6 => (
                Instruction::I64Const(1 << (number & 63)),
                Instruction::I64AtomicRmwOr(self.at(cell::SET, 3)),
            ),
            _ => (
                Instruction::I32Const(1 << (number & 15)),
                Instruction::I32AtomicRmw16OrU(half),
            ),
        };
        vec![self.address(0), number, change, Instruction::Drop]
    }

    /// Adds what an operator returns to a sum: each number that is drawn is drawn once, and what is
    /// exchanged is there once before.
    fn return_former(&self, scratch: u32, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let (number, change, sum) = if rng.bool() {
            let ticket = self.at(cell::TICKET, 3);
            (1, Instruction::I64AtomicRmwAdd(ticket), cell::TICKETS)
        } else {
            let exchanged = self.at(cell::EXCHANGED, 3);
            let change = Instruction::I64AtomicRmwXchg(exchanged);
            (rng.i64(..), change, cell::EXCHANGES)
        };
        vec![
            self.address(0),
            Instruction::I64Const(number),
            change,
            Instruction::LocalSet(scratch),
            self.address(0),
            Instruction::LocalGet(scratch),
            Instruction::I64AtomicRmwAdd(self.at(sum, 3)),
            Instruction::Drop,
        ]
    }

    /// Adds to a cell by comparing and exchanging until no other thread came between.
    fn compare(&self, scratch: u32, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let at = self.at(cell::COMPARED, 3);
        vec![
            Instruction::Loop(BlockType::Empty),
            self.address(0),
            self.address(0),
            Instruction::I64AtomicLoad(at),
            Instruction::LocalTee(scratch),
            Instruction::LocalGet(scratch),
            Instruction::I64Const(rng.i64(..)),
            Instruction::I64Add,
            Instruction::I64AtomicRmwCmpxchg(at),
            Instruction::LocalGet(scratch),
            Instruction::I64Ne,
            Instruction::BrIf(0),
            Instruction::End,
        ]
    }

    /// Changes a number by plain operators while the thread holds the lock. It can't trap between,
    /// so that no thread keeps the lock.
    fn locked(&self, rng: &mut Rng) -> Vec<Instruction<'static>> {
        let mut code = vec![Instruction::Call(self.lock)];
        for cell in cell::LOCKED {
            let at = self.at(cell, 3);
            code.extend([
                self.address(0),
                self.address(0),
                Instruction::I64Load(at),
                Instruction::I64Const(rng.i64(..)),
                Instruction::I64Add,
                Instruction::I64Store(at),
            ]);
        }
        code.extend(self.release_lock());
        code
    }
}

fn body(locals: &[(u32, ValType)], code: &[Instruction<'_>]) -> Function {
    let mut function = Function::new(locals.iter().copied());
    for instruction in code {
        function.instruction(instruction);
    }
    function.instruction(&Instruction::End);
    function
}
