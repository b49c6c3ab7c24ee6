//! The checker's machine: what each register and home slot contains, as symbols.
//!
//! A symbol names a value of the WebAssembly program: the value that a local had at the last label,
//! a constant, the result of an operator. [`Machine::apply`] follows recorded effects; the other
//! methods follow the program: its locals and its operand stack.
//!
//! Work per operator and per label is bounded by the registers and by what has changed since, not
//! by the number of locals: a label makes a new *epoch*, in which every local's value has a new
//! symbol and is in its slot until an effect says otherwise; the slots that are out of date are
//! kept as a set.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use upshift_abi::frame::HomeSlot;

use crate::asm::encode::OperandSize;
use crate::asm::record::{Effect, Place};
use crate::reg::{Reg, RegSet};

/// A value of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// What a local held at the label that began the epoch.
    Local {
        local: u32,
        epoch: u32,
        size: OperandSize,
    },
    /// What an operator has computed, or what arrives at a label.
    Result { number: u32, size: OperandSize },
    /// A constant's bits.
    Constant(u64),
    /// The `VmContext*`.
    Context,
}

/// What is known of a register's or slot's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Unknown,
    /// The low 32 bits are the value's.
    Low(Symbol),
    /// All 64 bits are; a value of 32 bits is zero-extended.
    Whole(Symbol),
}

impl Content {
    /// What 32 bits of it are, zero-extended.
    fn zero_extended(self) -> Self {
        match self {
            Content::Low(Symbol::Constant(bits)) | Content::Whole(Symbol::Constant(bits)) => {
                Content::Whole(Symbol::Constant(bits & 0xffff_ffff))
            }
            Content::Low(symbol) | Content::Whole(symbol) if !symbol.is_wide() => {
                Content::Whole(symbol)
            }
            _ => Content::Unknown,
        }
    }

    /// Whether it is the value, in all 64 bits or in as many as the value has.
    pub(super) fn holds(self, symbol: Symbol, size: OperandSize) -> bool {
        match (self, symbol, size) {
            (
                Content::Low(Symbol::Constant(is)) | Content::Whole(Symbol::Constant(is)),
                Symbol::Constant(should),
                OperandSize::S32,
            ) => is as u32 == should as u32,
            (Content::Whole(is), _, _) | (Content::Low(is), _, OperandSize::S32) => is == symbol,
            _ => false,
        }
    }
}

impl Symbol {
    fn is_wide(self) -> bool {
        match self {
            Symbol::Local { size, .. } | Symbol::Result { size, .. } => size == OperandSize::S64,
            Symbol::Constant(_) | Symbol::Context => true,
        }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbol::Local { local, epoch, .. } => write!(f, "local{local} at label {epoch}"),
            Symbol::Result { number, .. } => write!(f, "result {number}"),
            Symbol::Constant(bits) => write!(f, "{bits:#x}"),
            Symbol::Context => f.write_str("the context"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Unknown => f.write_str("something else"),
            Content::Low(symbol) => write!(f, "the low half of {symbol}"),
            Content::Whole(symbol) => write!(f, "{symbol}"),
        }
    }
}

/// Contents to go back to when code beside the main path ends.
struct Fork {
    regs: [Content; 32],
    /// Changed slots with what they contained, in order.
    slots: Vec<(HomeSlot, Content)>,
}

/// The machine and the program at one point.
pub(super) struct Machine {
    pub(super) regs: [Content; 32],
    /// The size of each local.
    sizes: Vec<OperandSize>,
    epoch: u32,
    results: u32,
    /// Locals that changed in this epoch.
    locals: HashMap<u32, Symbol>,
    /// Locals' slots that an effect has reached in this epoch.
    local_slots: HashMap<u32, Content>,
    /// The operand stack.
    pub(super) operands: Vec<Symbol>,
    /// The slots of operands, by position, some perhaps beyond the stack's top.
    operand_slots: Vec<Content>,
    /// The size of each operand.
    operand_sizes: Vec<OperandSize>,
    /// Locals and positions whose slots have other contents than their values.
    pub(super) stale_locals: BTreeSet<u32>,
    pub(super) stale_operands: BTreeSet<u32>,
    /// What has been stored outside the frame since the last
    /// [`forget_outside`](Self::forget_outside).
    outside: HashMap<(usize, i32), Content>,
    /// Home slots that instructions which compute have read, with what they contained.
    pub(super) reads: Vec<(HomeSlot, Content)>,
    fork: Option<Fork>,
}

impl Machine {
    /// At a function's start: locals behind the parameters are zero, and nothing is anywhere yet.
    pub(super) fn new(sizes: Vec<OperandSize>, params: usize) -> Self {
        let mut machine = Self {
            regs: [Content::Unknown; 32],
            sizes,
            epoch: 0,
            results: 0,
            locals: HashMap::new(),
            local_slots: HashMap::new(),
            operands: Vec::new(),
            operand_slots: Vec::new(),
            operand_sizes: Vec::new(),
            stale_locals: BTreeSet::new(),
            stale_operands: BTreeSet::new(),
            outside: HashMap::new(),
            reads: Vec::new(),
            fork: None,
        };
        machine.begin_epoch(0);
        for local in 0..machine.sizes.len() as u32 {
            machine.set_slot(machine.local_slot(local), Content::Unknown);
            if local as usize >= params {
                machine.set_local(local, Symbol::Constant(0));
            }
        }
        machine
    }

    /// A parameter arrives in a register, whose upper half may be anything if it has 32 bits.
    pub(super) fn receive(&mut self, local: u32, reg: Reg) {
        self.regs[reg.index()] = in_slot(self.local(local), self.local_size(local));
    }

    /// A parameter arrives in memory.
    pub(super) fn receive_on_stack(&mut self, local: u32, base: Reg, disp: i32) {
        let content = in_slot(self.local(local), self.local_size(local));
        self.outside.insert((base.index(), disp), content);
    }

    /// A local's value.
    pub(super) fn local(&self, local: u32) -> Symbol {
        self.locals.get(&local).copied().unwrap_or(Symbol::Local {
            local,
            epoch: self.epoch,
            size: self.sizes[local as usize],
        })
    }

    /// The size of a local.
    pub(super) fn local_size(&self, local: u32) -> OperandSize {
        self.sizes[local as usize]
    }

    /// Assigns a local.
    pub(super) fn set_local(&mut self, local: u32, symbol: Symbol) {
        self.locals.insert(local, symbol);
        self.note_local(local);
    }

    /// A new value.
    pub(super) fn result(&mut self, size: OperandSize) -> Symbol {
        self.results += 1;
        Symbol::Result {
            number: self.results,
            size,
        }
    }

    /// Pushes an operand; its slot is stale unless it happens to have the value.
    pub(super) fn push(&mut self, symbol: Symbol, size: OperandSize) {
        let position = self.operands.len();
        self.operands.push(symbol);
        self.operand_sizes.truncate(position);
        self.operand_sizes.push(size);
        self.note_operand(position as u32);
    }

    /// Drops operands down to a height.
    pub(super) fn truncate(&mut self, height: usize) {
        self.operands.truncate(height);
        self.stale_operands.split_off(&(height as u32));
    }

    /// The contents of a home slot.
    pub(super) fn slot(&self, slot: HomeSlot) -> Content {
        let word = slot.words() - 1;
        match self.position(word) {
            None => self.local_slots.get(&word).copied().unwrap_or_else(|| {
                in_slot(
                    Symbol::Local {
                        local: word,
                        epoch: self.epoch,
                        size: self.sizes[word as usize],
                    },
                    self.local_size(word),
                )
            }),
            Some(position) => {
                let slots = &self.operand_slots;
                slots.get(position).copied().unwrap_or(Content::Unknown)
            }
        }
    }

    /// Changes a home slot.
    pub(super) fn set_slot(&mut self, slot: HomeSlot, content: Content) {
        let old = self.slot(slot);
        if let Some(fork) = &mut self.fork {
            fork.slots.push((slot, old));
        }
        let word = slot.words() - 1;
        match self.position(word) {
            None => {
                self.local_slots.insert(word, content);
                self.note_local(word);
            }
            Some(position) => {
                if position >= self.operand_slots.len() {
                    self.operand_slots.resize(position + 1, Content::Unknown);
                }
                self.operand_slots[position] = content;
                self.note_operand(position as u32);
            }
        }
    }

    /// The home slot of a stack position.
    pub(super) fn operand_slot(&self, position: usize) -> HomeSlot {
        self.local_slot(self.sizes.len() as u32 + position as u32)
    }

    /// The home slot of a local.
    fn local_slot(&self, local: u32) -> HomeSlot {
        HomeSlot::NONE.down(local + 1)
    }

    /// What was stored outside the frame.
    pub(super) fn outside(&self, base: Reg, disp: i32) -> Content {
        let key = (base.index(), disp);
        self.outside.get(&key).copied().unwrap_or(Content::Unknown)
    }

    /// Before stores outside the frame that matter.
    pub(super) fn forget_outside(&mut self) {
        self.outside.clear();
    }

    /// The stack position of a home slot that is not a local's.
    fn position(&self, word: u32) -> Option<usize> {
        (word as usize).checked_sub(self.sizes.len())
    }

    fn note_local(&mut self, local: u32) {
        let size = self.local_size(local);
        if self
            .slot(self.local_slot(local))
            .holds(self.local(local), size)
        {
            self.stale_locals.remove(&local);
        } else {
            self.stale_locals.insert(local);
        }
    }

    fn note_operand(&mut self, position: u32) {
        let Some(&symbol) = self.operands.get(position as usize) else {
            return;
        };
        let slot = self.operand_slot(position as usize);
        let size = self.operand_sizes[position as usize];
        if self.slot(slot).holds(symbol, size) {
            self.stale_operands.remove(&position);
        } else {
            self.stale_operands.insert(position);
        }
    }

    /// At a label: all values of locals are other ones, and in their slots; so are the operands
    /// from a position on. Those below are what they were. No register has any.
    pub(super) fn begin_epoch(&mut self, operands_from: usize) {
        self.epoch += 1;
        self.locals.clear();
        self.local_slots.clear();
        self.stale_locals.clear();
        self.regs = [Content::Unknown; 32];
        self.regs[Reg::VMCTX.index()] = Content::Whole(Symbol::Context);
        // What lies above the stack is not the same on each way here.
        self.operand_slots.truncate(self.operands.len());
        for position in std::mem::take(&mut self.stale_operands) {
            self.put_in_slot(position as usize);
        }
        for position in operands_from..self.operands.len() {
            self.operands[position] = self.result(self.operand_sizes[position]);
            self.put_in_slot(position);
        }
    }

    /// Gives an operand's slot the operand's value.
    pub(super) fn put_in_slot(&mut self, position: usize) {
        let content = in_slot(self.operands[position], self.operand_sizes[position]);
        self.set_slot(self.operand_slot(position), content);
    }

    /// Gives a register a local's value, as the only place that has it if its slot is not up to
    /// date.
    pub(super) fn put_local_in(&mut self, reg: Reg, local: u32, slot_is_stale: bool) {
        self.regs[reg.index()] = Content::Whole(self.local(local));
        if slot_is_stale {
            self.set_slot(self.local_slot(local), Content::Unknown);
        }
    }

    /// Starts code beside the main path.
    pub(super) fn begin_fork(&mut self) {
        assert!(self.fork.is_none(), "code beside code beside the main path");
        self.fork = Some(Fork {
            regs: self.regs,
            slots: Vec::new(),
        });
    }

    /// Goes back to where [`begin_fork`](Self::begin_fork) was.
    pub(super) fn end_fork(&mut self) {
        let fork = self.fork.take().expect("a fork has begun");
        self.regs = fork.regs;
        for (slot, content) in fork.slots.into_iter().rev() {
            self.set_slot(slot, content);
        }
    }

    /// Follows an effect. Cold code that is no fork has joined the main path again before anything
    /// is checked: what it changes has unknown contents.
    pub(super) fn apply(&mut self, effect: Effect, cold: bool) {
        let beside = cold && self.fork.is_none();
        match effect {
            Effect::Move(size, dst, src) => {
                let content = self.regs[src.index()];
                self.set_reg(dst, beside, loaded(size, content));
            }
            Effect::Constant(dst, bits) => {
                self.set_reg(dst, beside, Content::Whole(Symbol::Constant(bits)));
            }
            Effect::Load(size, dst, place) => {
                let content = match place {
                    Place::Slot(slot) => self.slot(slot),
                    Place::Context => Content::Whole(Symbol::Context),
                    Place::Outside(base, disp) => self.outside(base, disp),
                };
                self.set_reg(dst, beside, loaded(size, content));
            }
            Effect::Store(size, place, src) => {
                let content = stored(size, self.regs[src.index()]);
                self.store(place, beside, content);
            }
            Effect::StoreConstant(size, place, imm) => {
                let constant = Content::Whole(Symbol::Constant(i64::from(imm) as u64));
                self.store(place, beside, stored(size, constant));
            }
            Effect::Change(reg) => self.set_reg(reg, true, Content::Unknown),
            Effect::Call => {
                self.outside.clear();
                for index in 0..32 {
                    if !RegSet::CALLEE_SAVED.has(Reg::from_index(index)) {
                        self.regs[index as usize] = Content::Unknown;
                    }
                }
            }
            Effect::CopySlots { to, from, words } => {
                for i in 1..=words {
                    self.set_slot(to.down(i), self.slot(from.down(i)));
                }
            }
            Effect::CopyOut {
                after,
                to: (base, disp),
                run: (count, _),
                stride,
            } => {
                for i in 0..count {
                    let place = (base.index(), disp + (stride * i) as i32);
                    self.outside.insert(place, self.slot(after.down(i + 1)));
                }
            }
            Effect::CopyIn {
                after,
                from: (base, disp),
                run: (count, _),
                stride,
            } => {
                for i in 0..count {
                    let content = self.outside(base, disp + (stride * i) as i32);
                    self.set_slot(after.down(i + 1), content);
                }
            }
            Effect::ClearSlots { after, words } => {
                for i in 1..=words {
                    self.set_slot(after.down(i), Content::Whole(Symbol::Constant(0)));
                }
            }
            Effect::Read(slot) => self.reads.push((slot, self.slot(slot))),
            Effect::ChangeSlot(slot) => self.set_slot(slot, Content::Unknown),
        }
    }

    fn set_reg(&mut self, reg: Reg, unknown: bool, content: Content) {
        self.regs[reg.index()] = if unknown { Content::Unknown } else { content };
    }

    fn store(&mut self, place: Place, unknown: bool, content: Content) {
        let content = if unknown { Content::Unknown } else { content };
        match place {
            Place::Slot(slot) => self.set_slot(slot, content),
            Place::Context => assert!(
                content.holds(Symbol::Context, OperandSize::S64),
                "the frame's context is overwritten by {content}"
            ),
            Place::Outside(base, disp) => {
                self.outside.insert((base.index(), disp), content);
            }
        }
    }
}

/// What a slot contains that has a value.
fn in_slot(symbol: Symbol, size: OperandSize) -> Content {
    match size {
        OperandSize::S64 => Content::Whole(symbol),
        OperandSize::S32 => Content::Low(symbol),
    }
}

/// What a register contains behind a load or a move.
fn loaded(size: OperandSize, content: Content) -> Content {
    match size {
        OperandSize::S64 => content,
        OperandSize::S32 => content.zero_extended(),
    }
}

/// What memory contains behind a store.
fn stored(size: OperandSize, content: Content) -> Content {
    match (size, content.zero_extended()) {
        (OperandSize::S64, _) => content,
        (OperandSize::S32, Content::Whole(symbol)) => Content::Low(symbol),
        (OperandSize::S32, _) => Content::Unknown,
    }
}
