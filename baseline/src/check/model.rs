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

use upshift_abi::Width;
use upshift_abi::frame::HomeSlot;
use upshift_abi::kind::WORD_BYTES;

use crate::asm::record::{Effect, Place};
use crate::counter::LoopCounter;
use crate::reg::{Reg, RegSet};

/// A value of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// What a local held at the label that began the epoch.
    Local {
        local: u32,
        epoch: u32,
        width: Width,
    },
    /// What an operator has computed, or what arrives at a label.
    Result { number: u32, width: Width },
    /// A constant's bits, the others of a vector being zero.
    Constant(u64),
    /// The `VmContext*`.
    Context,
    /// What is left of the function's budget.
    Budget,
}

/// What is known of a register's or slot's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Unknown,
    /// The low 32 bits are the value's.
    Low(Symbol),
    /// All bits are; a value of 32 bits is zero-extended to 64.
    Whole(Symbol),
    /// A word of a value that has several, counted from the lowest bits.
    Word(Symbol, u32),
}

impl Content {
    /// What 32 bits of it are, zero-extended.
    fn zero_extended(self) -> Self {
        match self {
            Content::Low(Symbol::Constant(bits)) | Content::Whole(Symbol::Constant(bits)) => {
                Content::Whole(Symbol::Constant(bits & 0xffff_ffff))
            }
            Content::Low(symbol) | Content::Whole(symbol) if symbol.width() == Width::W32 => {
                Content::Whole(symbol)
            }
            _ => Content::Unknown,
        }
    }

    /// Whether it is what is expected, in all bits or in as many as the value has.
    pub(super) fn holds(self, expected: impl Into<Content>, width: Width) -> bool {
        match (self, expected.into(), width) {
            (
                Content::Low(Symbol::Constant(is)) | Content::Whole(Symbol::Constant(is)),
                Content::Low(Symbol::Constant(should)) | Content::Whole(Symbol::Constant(should)),
                Width::W32,
            ) => is as u32 == should as u32,
            (Content::Whole(is), Content::Low(should) | Content::Whole(should), _)
            | (Content::Low(is), Content::Low(should) | Content::Whole(should), Width::W32)
            | (Content::Word(is, 0), Content::Whole(should), Width::W32) => is == should,
            (Content::Word(..), should @ Content::Word(..), _) => self == should,
            _ => false,
        }
    }

    /// A word that a register with these contents stores, counted from the lowest bits.
    fn word_stored(self, n: u32) -> Self {
        match (self, n) {
            (Content::Whole(symbol), _) if symbol.width().words() > 1 => {
                symbol.word(symbol.width(), n)
            }
            (_, 0) => self,
            (Content::Whole(Symbol::Constant(_)), _) => Content::Whole(Symbol::Constant(0)),
            _ => Content::Unknown,
        }
    }
}

impl From<Symbol> for Content {
    fn from(symbol: Symbol) -> Self {
        Content::Whole(symbol)
    }
}

impl Symbol {
    fn width(self) -> Width {
        match self {
            Symbol::Local { width, .. } | Symbol::Result { width, .. } => width,
            Symbol::Constant(_) | Symbol::Context => Width::W64,
            Symbol::Budget => Width::W32,
        }
    }

    /// What a word of memory contains that has the value, of this width, counted from the lowest
    /// address.
    pub(super) fn word(self, width: Width, n: u32) -> Content {
        match (width, self) {
            (Width::W32, _) => Content::Low(self),
            (Width::W64, _) => Content::Whole(self),
            (Width::W128, Symbol::Constant(bits)) => {
                Content::Whole(Symbol::Constant(if n == 0 { bits } else { 0 }))
            }
            (Width::W128, _) => Content::Word(self, n),
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
            Symbol::Budget => f.write_str("the budget"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Unknown => f.write_str("something else"),
            Content::Low(symbol) => write!(f, "the low half of {symbol}"),
            Content::Whole(symbol) => write!(f, "{symbol}"),
            Content::Word(symbol, n) => write!(f, "word {n} of {symbol}"),
        }
    }
}

/// Contents to go back to when code beside the main path ends.
struct Fork {
    regs: [Content; 32],
    /// Changed words of slots with what they contained, in order.
    words: Vec<(HomeSlot, Content)>,
}

/// The machine and the program at one point.
pub(super) struct Machine {
    pub(super) regs: [Content; 32],
    /// The width and home slot of each local.
    declared: Vec<(Width, HomeSlot)>,
    /// The local of each word of their slots, from the first one on.
    owners: Vec<u32>,
    epoch: u32,
    results: u32,
    /// Locals that changed in this epoch.
    locals: HashMap<u32, Symbol>,
    /// Words of locals' slots that an effect has reached in this epoch.
    local_words: HashMap<HomeSlot, Content>,
    /// The operand stack.
    pub(super) operands: Vec<Symbol>,
    /// The width and home slot of each operand.
    placed: Vec<(Width, HomeSlot)>,
    /// The words of operands' slots, some perhaps beyond the stack's top.
    operand_words: Vec<Content>,
    /// Locals and positions whose slots have other contents than their values.
    pub(super) stale_locals: BTreeSet<u32>,
    pub(super) stale_operands: BTreeSet<u32>,
    /// What has been stored outside the frame since the last
    /// [`forget_outside`](Self::forget_outside).
    outside: HashMap<(usize, i32), Content>,
    /// Home slots that instructions which compute have read, with what they contained.
    pub(super) reads: Vec<(HomeSlot, Content)>,
    fork: Option<Fork>,
    /// In a dispatch, whose code is followed though it is cold: the exception.
    pub(super) caught: Option<Symbol>,
}

impl Machine {
    /// At a function's start: locals behind the parameters are zero, and nothing is anywhere yet.
    pub(super) fn new(widths: Vec<Width>, params: usize) -> Self {
        let mut declared: Vec<(Width, HomeSlot)> = Vec::new();
        let mut owners = Vec::new();
        for width in widths {
            owners.extend((0..width.words()).map(|_| declared.len() as u32));
            let slot = last_slot(&declared).unwrap_or_default().next(width);
            declared.push((width, slot));
        }
        let mut machine = Self {
            regs: [Content::Unknown; 32],
            declared,
            owners,
            epoch: 0,
            results: 0,
            locals: HashMap::new(),
            local_words: HashMap::new(),
            operands: Vec::new(),
            placed: Vec::new(),
            operand_words: Vec::new(),
            stale_locals: BTreeSet::new(),
            stale_operands: BTreeSet::new(),
            outside: HashMap::new(),
            reads: Vec::new(),
            fork: None,
            caught: None,
        };
        machine.begin_epoch(0);
        for local in 0..machine.declared.len() as u32 {
            machine.forget_local_slot(local);
            if local as usize >= params {
                machine.set_local(local, Symbol::Constant(0));
            }
        }
        machine
    }

    /// A parameter arrives in a register, whose upper half may be anything if it has 32 bits.
    pub(super) fn receive(&mut self, local: u32, reg: Reg) {
        self.regs[reg.index()] = match self.local_width(local) {
            Width::W32 => Content::Low(self.local(local)),
            Width::W64 | Width::W128 => Content::Whole(self.local(local)),
        };
    }

    /// A parameter arrives in memory.
    pub(super) fn receive_on_stack(&mut self, local: u32, base: Reg, disp: i32) {
        let (symbol, width) = (self.local(local), self.local_width(local));
        for n in 0..width.words() {
            self.write(Place::Outside(base, disp), n, symbol.word(width, n));
        }
    }

    /// A local's value.
    pub(super) fn local(&self, local: u32) -> Symbol {
        self.locals.get(&local).copied().unwrap_or(Symbol::Local {
            local,
            epoch: self.epoch,
            width: self.local_width(local),
        })
    }

    /// The width of a local.
    pub(super) fn local_width(&self, local: u32) -> Width {
        self.declared[local as usize].0
    }

    /// Assigns a local.
    pub(super) fn set_local(&mut self, local: u32, symbol: Symbol) {
        self.locals.insert(local, symbol);
        self.note_local(local);
    }

    /// A new value.
    pub(super) fn result(&mut self, width: Width) -> Symbol {
        self.results += 1;
        Symbol::Result {
            number: self.results,
            width,
        }
    }

    /// Pushes an operand; its slot is stale unless it happens to have the value.
    pub(super) fn push(&mut self, symbol: Symbol, width: Width) {
        let slot = self.last_operand_slot().next(width);
        self.operands.push(symbol);
        self.placed.push((width, slot));
        self.note_operand(self.operands.len() - 1);
    }

    /// Drops operands down to a height.
    pub(super) fn truncate(&mut self, height: usize) {
        self.operands.truncate(height);
        self.placed.truncate(height);
        self.stale_operands.split_off(&(height as u32));
    }

    /// The slot of the last local, which those of operands follow.
    fn bottom(&self) -> HomeSlot {
        last_slot(&self.declared).unwrap_or_default()
    }

    fn last_operand_slot(&self) -> HomeSlot {
        last_slot(&self.placed).unwrap_or(self.bottom())
    }

    /// The contents of a word of the home slots.
    fn slot_word(&self, word: HomeSlot) -> Content {
        if let Some(index) = self.operand_word(word) {
            let words = &self.operand_words;
            return words.get(index).copied().unwrap_or(Content::Unknown);
        }
        let stored = self.local_words.get(&word).copied();
        stored.unwrap_or_else(|| {
            let local = self.owners[word.words() as usize - 1];
            let (width, slot) = self.declared[local as usize];
            let symbol = Symbol::Local {
                local,
                epoch: self.epoch,
                width,
            };
            symbol.word(width, slot.words() - word.words())
        })
    }

    /// Changes a word of the home slots.
    fn set_slot_word(&mut self, word: HomeSlot, content: Content) {
        let old = self.slot_word(word);
        if let Some(fork) = &mut self.fork {
            fork.words.push((word, old));
        }
        match self.operand_word(word) {
            None => {
                self.local_words.insert(word, content);
                self.note_local(self.owners[word.words() as usize - 1]);
            }
            Some(index) => {
                if index >= self.operand_words.len() {
                    self.operand_words.resize(index + 1, Content::Unknown);
                }
                self.operand_words[index] = content;
                let above = |&(_, slot): &(Width, HomeSlot)| slot < word;
                self.note_operand(self.placed.partition_point(above));
            }
        }
    }

    /// The place in `operand_words` of a word that is not a local's.
    fn operand_word(&self, word: HomeSlot) -> Option<usize> {
        (word.words() as usize).checked_sub(self.owners.len() + 1)
    }

    /// A word of memory, counted from a place on upwards.
    pub(super) fn read(&self, place: Place, n: u32) -> Content {
        match place {
            Place::Slot(slot) => self.slot_word(slot.word(n)),
            Place::Context if n == 0 => Content::Whole(Symbol::Context),
            Place::Context => Content::Unknown,
            Place::Outside(base, disp) => {
                let key = (base.index(), disp + (WORD_BYTES * n) as i32);
                self.outside.get(&key).copied().unwrap_or(Content::Unknown)
            }
        }
    }

    /// Changes a word of memory, counted from a place on upwards.
    fn write(&mut self, place: Place, n: u32, content: Content) {
        match place {
            Place::Slot(slot) => self.set_slot_word(slot.word(n), content),
            Place::Context => assert!(
                content.holds(Symbol::Context, Width::W64),
                "the frame's context is overwritten by {content}"
            ),
            Place::Outside(base, disp) => {
                let key = (base.index(), disp + (WORD_BYTES * n) as i32);
                self.outside.insert(key, content);
            }
        }
    }

    /// Before stores outside the frame that matter.
    pub(super) fn forget_outside(&mut self) {
        self.outside.clear();
    }

    /// Whether a home slot holds a value.
    fn slot_holds(&self, slot: HomeSlot, symbol: Symbol, width: Width) -> bool {
        (0..width.words()).all(|n| {
            let content = self.slot_word(slot.word(n));
            content.holds(symbol.word(width, n), width)
        })
    }

    fn note_local(&mut self, local: u32) {
        let (width, slot) = self.declared[local as usize];
        if self.slot_holds(slot, self.local(local), width) {
            self.stale_locals.remove(&local);
        } else {
            self.stale_locals.insert(local);
        }
    }

    fn note_operand(&mut self, position: usize) {
        let Some(&symbol) = self.operands.get(position) else {
            return;
        };
        let (width, slot) = self.placed[position];
        if self.slot_holds(slot, symbol, width) {
            self.stale_operands.remove(&(position as u32));
        } else {
            self.stale_operands.insert(position as u32);
        }
    }

    /// At a label: all values of locals are other ones, and in their slots; so are the operands
    /// from a position on. Those below are what they were. No register has any.
    pub(super) fn begin_epoch(&mut self, operands_from: usize) {
        self.epoch += 1;
        self.locals.clear();
        self.local_words.clear();
        self.stale_locals.clear();
        self.regs = [Content::Unknown; 32];
        self.regs[Reg::VMCTX.index()] = Content::Whole(Symbol::Context);
        // What lies above the stack is not the same on each way here.
        let words = self.last_operand_slot().words() - self.bottom().words();
        self.operand_words.truncate(words as usize);
        for position in std::mem::take(&mut self.stale_operands) {
            self.put_in_slot(position as usize);
        }
        for position in operands_from..self.operands.len() {
            self.operands[position] = self.result(self.placed[position].0);
            self.put_in_slot(position);
        }
    }

    /// Gives an operand's slot the operand's value.
    pub(super) fn put_in_slot(&mut self, position: usize) {
        let (width, slot) = self.placed[position];
        for n in 0..width.words() {
            let content = self.operands[position].word(width, n);
            self.set_slot_word(slot.word(n), content);
        }
    }

    fn forget_local_slot(&mut self, local: u32) {
        let (width, slot) = self.declared[local as usize];
        for n in 0..width.words() {
            self.set_slot_word(slot.word(n), Content::Unknown);
        }
    }

    /// Gives a register a local's value, as the only place that has it if its slot is not up to
    /// date.
    pub(super) fn put_local_in(&mut self, reg: Reg, local: u32, slot_is_stale: bool) {
        self.regs[reg.index()] = Content::Whole(self.local(local));
        if slot_is_stale {
            self.forget_local_slot(local);
        }
    }

    /// Gives a loop's counter, if there is one, the budget.
    pub(super) fn put_budget_in(&mut self, counter: Option<LoopCounter>) {
        if let Some(counter) = counter {
            self.regs[counter.reg.index()] = Content::Whole(Symbol::Budget);
        }
    }

    /// Starts code beside the main path.
    pub(super) fn begin_fork(&mut self) {
        assert!(self.fork.is_none(), "code beside code beside the main path");
        self.fork = Some(Fork {
            regs: self.regs,
            words: Vec::new(),
        });
    }

    /// Goes back to where [`begin_fork`](Self::begin_fork) was.
    pub(super) fn end_fork(&mut self) {
        let fork = self.fork.take().expect("a fork has begun");
        self.regs = fork.regs;
        for (word, content) in fork.words.into_iter().rev() {
            self.set_slot_word(word, content);
        }
    }

    /// At the beginning of a dispatch: as at a label without registers, but that this one has an
    /// exception.
    pub(super) fn begin_dispatch(&mut self, exception: Reg) {
        self.begin_epoch(self.operands.len());
        self.caught = Some(self.result(Width::W64));
        self.begin_clause(exception);
    }

    /// Where a dispatch has the exception in a register, and nothing else in any.
    pub(super) fn begin_clause(&mut self, exception: Reg) {
        self.regs = [Content::Unknown; 32];
        self.regs[Reg::VMCTX.index()] = Content::Whole(Symbol::Context);
        if let Some(caught) = self.caught {
            self.regs[exception.index()] = Content::Whole(caught);
        }
        self.outside.clear();
    }

    /// A field of an exception to which a register points has a value.
    pub(super) fn put_in_field(&mut self, exception: Reg, disp: i32, symbol: Symbol) {
        let width = symbol.width();
        for n in 0..width.words() {
            self.write(Place::Outside(exception, disp), n, symbol.word(width, n));
        }
    }

    /// Follows an effect. Cold code that is no fork has joined the main path again before anything
    /// is checked: what it changes has unknown contents.
    pub(super) fn apply(&mut self, effect: Effect, cold: bool) {
        let beside = cold && self.fork.is_none() && self.caught.is_none();
        match effect {
            Effect::Move(width, dst, src) => {
                let content = match (width, self.regs[src.index()]) {
                    (Width::W32, content) => content.zero_extended(),
                    (Width::W64, content) => content.word_stored(0),
                    (Width::W128, content) => content,
                };
                self.set_reg(dst, beside, content);
            }
            Effect::Constant(dst, bits) => {
                self.set_reg(dst, beside, Content::Whole(Symbol::Constant(bits)));
            }
            Effect::Load(width, dst, place) => {
                let content = match width {
                    Width::W32 => self.read(place, 0).zero_extended(),
                    Width::W64 => self.read(place, 0),
                    Width::W128 => joined(self.read(place, 0), self.read(place, 1)),
                };
                self.set_reg(dst, beside, content);
            }
            Effect::Store(width, place, src) => {
                self.store(width, place, beside, self.regs[src.index()]);
            }
            Effect::StoreConstant(width, place, imm) => {
                let constant = Content::Whole(Symbol::Constant(i64::from(imm) as u64));
                self.store(width, place, beside, constant);
            }
            Effect::Budget(reg) => {
                self.set_reg(reg, beside, Content::Whole(Symbol::Budget));
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
                    self.set_slot_word(to.down(i), self.slot_word(from.down(i)));
                }
            }
            Effect::CopyOut {
                after,
                to: (base, disp),
                run: (count, words),
                stride,
            } => self.copy_run(count, words, |i| {
                let outside = Place::Outside(base, disp + (stride * i) as i32);
                (Place::Slot(after.down(words * (i + 1))), outside)
            }),
            Effect::CopyIn {
                after,
                from: (base, disp),
                run: (count, words),
                stride,
            } => self.copy_run(count, words, |i| {
                let outside = Place::Outside(base, disp + (stride * i) as i32);
                (outside, Place::Slot(after.down(words * (i + 1))))
            }),
            Effect::ClearSlots { after, words } => {
                for i in 1..=words {
                    let zero = Content::Whole(Symbol::Constant(0));
                    self.set_slot_word(after.down(i), zero);
                }
            }
            Effect::Read(slot) => self.reads.push((slot, self.slot_word(slot))),
            Effect::ChangeSlot(slot) => self.set_slot_word(slot, Content::Unknown),
        }
    }

    /// Copies values of so many words each from and to the places that each index has.
    fn copy_run(&mut self, count: u32, words: u32, places: impl Fn(u32) -> (Place, Place)) {
        for i in 0..count {
            let (from, to) = places(i);
            for n in 0..words {
                self.write(to, n, self.read(from, n));
            }
        }
    }

    fn set_reg(&mut self, reg: Reg, unknown: bool, content: Content) {
        self.regs[reg.index()] = if unknown { Content::Unknown } else { content };
    }

    fn store(&mut self, width: Width, place: Place, unknown: bool, content: Content) {
        for n in 0..width.words() {
            let word = match (width, content) {
                _ if unknown => Content::Unknown,
                (Width::W32, content) => low(content),
                (Width::W64 | Width::W128, content) => content.word_stored(n),
            };
            self.write(place, n, word);
        }
    }
}

/// The slot of the last value of some.
fn last_slot(values: &[(Width, HomeSlot)]) -> Option<HomeSlot> {
    values.last().map(|&(_, slot)| slot)
}

/// What a register contains behind a load of two words.
fn joined(lower: Content, upper: Content) -> Content {
    match (lower, upper) {
        (Content::Word(symbol, 0), Content::Word(other, 1)) if symbol == other => {
            Content::Whole(symbol)
        }
        (Content::Whole(symbol @ Symbol::Constant(_)), Content::Whole(Symbol::Constant(0))) => {
            Content::Whole(symbol)
        }
        _ => Content::Unknown,
    }
}

/// What memory contains behind a store of 32 bits.
fn low(content: Content) -> Content {
    match content.zero_extended() {
        Content::Whole(symbol) => Content::Low(symbol),
        _ => Content::Unknown,
    }
}
