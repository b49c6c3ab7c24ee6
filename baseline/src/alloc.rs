//! Register allocation and the movement of values between registers, slots and constants.
//!
//! A handler pops its operands, asks for registers, emits, and pushes its result. Registers that it
//! gets from [`use_reg`](FuncGen::use_reg) may be a local's own and are read-only; they stay in
//! place until the operator ends because they are pinned. Operands that are still [`Value`]s are
//! looked up when they are used, so an eviction in between does no harm.

use upshift_abi::frame::HomeSlot;
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::{Kind, RegClass, Width};

use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::asm::record::Effect;
use crate::asm::{Cc, Masm, asm};
use crate::func_gen::FuncGen;
use crate::reg::{Reg, RegSet, Scratch};
use crate::state::{Home, Local};
use crate::value::{Cond, Value, fits_imm32};

/// The kind of the float class with the same width: for moves through `fscratch`.
pub(crate) const fn as_float(kind: Kind) -> Kind {
    match kind.width() {
        Width::W32 => Kind::F32,
        Width::W64 => Kind::F64,
        Width::W128 => Kind::V128,
    }
}

/// The kind of the float class that moves all words which a value takes, defined or not.
pub(crate) const fn as_words(kind: Kind) -> Kind {
    match kind.width() {
        Width::W32 | Width::W64 => Kind::F64,
        Width::W128 => Kind::V128,
    }
}

/// The second operand of an instruction.
pub(crate) enum Operand {
    /// A register, which may be the scratch one.
    Reg(Reg, Option<Scratch>),
    Imm(i32),
    Mem(Mem),
}

/// The memory operand of a home slot.
#[inline]
pub(crate) fn home(slot: HomeSlot) -> Mem {
    Mem::base(Reg::RBP, slot.offset())
}

impl Masm {
    /// Loads a float or vector constant.
    pub(crate) fn float_const(&mut self, kind: Kind, reg: Reg, bits: u64) {
        if bits == 0 {
            self.note(|| Effect::Constant(reg, 0));
            asm!(self; xorps Rx(reg), Rx(reg));
        } else {
            let constant = self.float_operand(kind.width(), bits);
            let op = match kind.width() {
                Width::W32 => Op::MOVSS,
                Width::W64 => Op::MOVSD,
                Width::W128 => Op::MOVAPS,
            };
            self.rm(op, reg, constant);
            self.note(|| Effect::Constant(reg, bits));
        }
    }

    /// A float or vector constant in memory.
    pub(crate) fn float_operand(&mut self, width: Width, bits: u64) -> Mem {
        self.constant(u128::from(bits), width)
    }

    /// Copies bits from an integer to a float register, and clears the bits above.
    pub(crate) fn int_to_float(&mut self, size: OperandSize, dst: Reg, src: Reg) {
        self.note(|| Effect::Move(size.width(), dst, src));
        match size {
            OperandSize::S32 => asm!(self; movd Rx(dst), Rd(src)),
            OperandSize::S64 => asm!(self; movq Rx(dst), Rq(src)),
        }
    }

    /// Copies bits from a float to an integer register.
    pub(crate) fn float_to_int(&mut self, size: OperandSize, dst: Reg, src: Reg) {
        self.note(|| Effect::Move(size.width(), dst, src));
        match size {
            OperandSize::S32 => asm!(self; movd Rd(dst), Rx(src)),
            OperandSize::S64 => asm!(self; movq Rq(dst), Rx(src)),
        }
    }
}

impl FuncGen<'_> {
    /// A free register as a temporary. Those that must be saved first come last.
    #[inline]
    pub(crate) fn alloc(&mut self, class: RegClass) -> Reg {
        let free = self.usable(class);
        if let Some(reg) = free.minus(RegSet::CALLEE_SAVED).first() {
            self.state.regs.free.remove(reg);
            return reg;
        }
        match free.and(self.frame.saved()).first().or(free.first()) {
            Some(reg) => self.grab(reg),
            None => self.evict(class),
        }
    }

    /// A temporary that a local will keep: one that calls preserve if there are calls.
    #[inline]
    pub(crate) fn alloc_lasting(&mut self, class: RegClass) -> Reg {
        let free = self.usable(class);
        let preserved = free.and(RegSet::CALLEE_SAVED);
        let best = if self.frame.calls() && !preserved.is_empty() {
            preserved
                .and(self.frame.saved())
                .first()
                .or(preserved.first())
        } else {
            free.and(RegSet::UNTASKED)
                .minus(RegSet::CALLEE_SAVED)
                .first()
        };
        match best {
            Some(reg) => self.grab(reg),
            None => self.alloc(class),
        }
    }

    /// The free registers of a class that the function may change.
    #[inline]
    pub(crate) fn usable(&self, class: RegClass) -> RegSet {
        let free = self.state.regs.free.and(RegSet::class(class));
        free.and(self.frame.changeable())
    }

    /// Takes a free register.
    pub(crate) fn grab(&mut self, reg: Reg) -> Reg {
        self.state.regs.free.remove(reg);
        self.frame.change(reg);
        reg
    }

    /// Whether a register of the class is free.
    #[inline]
    pub(crate) fn has_free(&self, class: RegClass) -> bool {
        !self.usable(class).is_empty()
    }

    /// Takes a register from its owner: from a local if possible, clean and long unread ones
    /// first, else from the deepest stack entry.
    #[cold]
    #[inline(never)]
    fn evict(&mut self, class: RegClass) -> Reg {
        let regs = &mut self.state.regs;
        let takeable = RegSet::class(class).minus(regs.pins);
        let locals = regs.locals.and(takeable);
        if locals.minus(regs.recent).is_empty() {
            regs.recent = regs.recent.minus(RegSet::class(class));
        }
        let old = locals.minus(regs.recent);
        if let Some(reg) = old.minus(regs.dirty).first().or(old.first()) {
            let local = regs.holder[reg.index()];
            self.unbind_local(local);
            return reg;
        }
        let holder = &self.state.regs.holder;
        let deepest = self
            .state
            .regs
            .stack
            .and(takeable)
            .min_by_key(|reg| holder[reg.index()]);
        let reg = deepest.expect("an operator pins fewer registers than there are");
        self.spill(reg);
        self.state.regs.free.remove(reg);
        reg
    }

    /// Brings a local's slot up to date and takes its register, as a temporary.
    pub(crate) fn unbind_local(&mut self, local: u32) {
        if let Some(reg) = self.state.locals[local as usize].reg {
            self.clean(reg);
            self.state.unbind(local);
        }
    }

    /// Stores a local's register to its slot if it is dirty.
    pub(crate) fn clean(&mut self, reg: Reg) {
        if self.state.regs.dirty.has(reg) {
            let local = self.state.regs.holder[reg.index()];
            self.store_local(local, reg);
            self.state.regs.dirty.remove(reg);
        }
    }

    /// Moves a stack entry's register to its slot; the register is free then.
    pub(crate) fn spill(&mut self, reg: Reg) {
        let position = self.state.regs.holder[reg.index()] as usize;
        let slot = self.state.stack_slot(position);
        let kind = self.state.stack[position].kind();
        self.store_slot(kind, slot, reg);
        self.state.stack[position] = Value::Slot(kind, slot);
        self.state.regs.stack.remove(reg);
        self.state.regs.free.add(reg);
    }

    /// Loads a slot.
    pub(crate) fn load_slot(&mut self, kind: Kind, reg: Reg, slot: HomeSlot) {
        self.load(kind, reg, home(slot));
    }

    /// Stores to a slot.
    pub(crate) fn store_slot(&mut self, kind: Kind, slot: HomeSlot, reg: Reg) {
        self.store(kind, home(slot), reg);
    }

    /// Loads a local from its slot.
    pub(crate) fn load_local(&mut self, local: u32, reg: Reg) {
        let Local { kind, slot, .. } = self.state.locals[local as usize];
        self.load_slot(kind, reg, slot);
    }

    /// Stores a local to its slot.
    pub(crate) fn store_local(&mut self, local: u32, reg: Reg) {
        let Local { kind, slot, .. } = self.state.locals[local as usize];
        self.store_slot(kind, slot, reg);
    }

    /// Loads a register from memory.
    pub(crate) fn load(&mut self, kind: Kind, reg: Reg, mem: Mem) {
        let op = match kind {
            Kind::I32 => Op::MOV,
            Kind::I64 | Kind::Ref => Op::MOV.wide(),
            Kind::F32 => Op::MOVSS,
            Kind::F64 => Op::MOVSD,
            Kind::V128 => Op::MOVUPS,
        };
        self.masm.rm(op, reg, mem);
    }

    /// Stores a register to memory.
    pub(crate) fn store(&mut self, kind: Kind, mem: Mem, reg: Reg) {
        let op = match kind {
            Kind::I32 => Op::STORE,
            Kind::I64 | Kind::Ref => Op::STORE.wide(),
            Kind::F32 => Op::MOVSS_STORE,
            Kind::F64 => Op::MOVSD_STORE,
            Kind::V128 => Op::MOVUPS_STORE,
        };
        self.masm.rm(op, reg, mem);
    }

    /// Loads a constant.
    pub(crate) fn load_const(&mut self, kind: Kind, reg: Reg, bits: u64) {
        match (kind.class(), bits) {
            (RegClass::Int, 0) if !self.masm.flags_live => self.masm.zero(reg),
            (RegClass::Int, _) => self.masm.mov_imm(reg, bits),
            (RegClass::Float, _) => self.masm.float_const(kind, reg, bits),
        }
    }

    /// Gives a value that comes from a call the form that registers have here: an `i32`
    /// zero-extended.
    #[inline]
    pub(crate) fn normalize(&mut self, kind: Kind, reg: Reg) {
        match kind {
            Kind::I32 => self.masm.mov32(reg, reg),
            Kind::I64 | Kind::F32 | Kind::F64 | Kind::V128 | Kind::Ref => {}
        }
    }

    /// Copies memory through the float scratch register.
    pub(crate) fn copy(&mut self, kind: Kind, to: Mem, from: Mem) {
        let via = self.masm.fscratch();
        self.load(kind, via.reg(), from);
        self.store(kind, to, via.reg());
    }

    /// Copies a value to memory.
    pub(crate) fn store_value(&mut self, mem: Mem, value: Value) {
        match value {
            Value::Reg(kind, reg) => self.store(kind, mem, reg),
            Value::Local(kind, local) => match self.state.locals[local as usize] {
                Local { reg: Some(reg), .. } => self.store(kind, mem, reg),
                Local { slot, .. } => self.copy_slot(kind, mem, slot),
            },
            Value::Slot(kind, slot) => self.copy_slot(kind, mem, slot),
            Value::Const(kind, bits) => match kind.width() {
                Width::W32 => self.masm.store_imm(OperandSize::S32, mem, bits as i32),
                Width::W64 => self.store_word(mem, bits),
                Width::W128 => {
                    self.store_word(mem, bits);
                    self.store_word(mem.plus(WORD_BYTES as i32), 0);
                }
            },
            Value::Flags(_) => unreachable!("flags are consumed by the next operator"),
        }
    }

    /// Stores a constant of 64 bits, through `scratch` if it is no immediate.
    fn store_word(&mut self, mem: Mem, bits: u64) {
        if fits_imm32(bits) {
            self.masm.store_imm(OperandSize::S64, mem, bits as i32);
        } else {
            let scratch = self.masm.scratch();
            self.masm.mov_imm(scratch.reg(), bits);
            self.store(Kind::I64, mem, scratch.reg());
        }
    }

    /// Copies a slot to memory through the float scratch register, so that `scratch` may be in use.
    fn copy_slot(&mut self, kind: Kind, mem: Mem, slot: HomeSlot) {
        let kind = as_float(kind);
        self.copy(kind, mem, home(slot));
    }

    /// Loads a value into a register that the caller has.
    pub(crate) fn load_value(&mut self, reg: Reg, value: Value) {
        match value {
            Value::Reg(_, src) if src == reg => {}
            Value::Reg(_, src) => self.masm.mov(reg, src),
            Value::Local(kind, local) => match self.state.locals[local as usize] {
                Local { reg: Some(src), .. } if src == reg => {}
                Local { reg: Some(src), .. } => self.masm.mov(reg, src),
                Local { slot, .. } => self.load_slot(kind, reg, slot),
            },
            Value::Slot(kind, slot) => self.load_slot(kind, reg, slot),
            Value::Const(kind, bits) => self.load_const(kind, reg, bits),
            Value::Flags(cond) => self.emit_setcc(cond, reg),
        }
    }

    /// Loads a popped operand into a register that the caller has.
    pub(crate) fn load_operand(&mut self, reg: Reg, value: Value) {
        self.load_value(reg, value);
        self.check_use(value, reg);
    }

    /// A condition as 0 or 1.
    pub(crate) fn emit_setcc(&mut self, cond: Cond, reg: Reg) {
        match cond {
            Cond::Cc(cc) => self.masm.setcc(cc, reg),
            Cond::FloatEq => {
                let scratch = self.masm.scratch();
                self.masm.setcc(Cc::Np, scratch.reg());
                self.masm.setcc(Cc::E, reg);
                self.masm.rr(Alu::And.op(), reg, scratch.reg());
            }
            Cond::FloatNe => {
                let scratch = self.masm.scratch();
                self.masm.setcc(Cc::P, scratch.reg());
                self.masm.setcc(Cc::Ne, reg);
                self.masm.rr(Alu::Or.op(), reg, scratch.reg());
            }
        }
        self.masm.extend8(Op::MOVZX8, reg, reg);
        self.masm.flags_live = false;
    }

    /// A popped operand in some register, to be read only and released.
    #[inline]
    pub(crate) fn use_reg(&mut self, value: Value) -> Reg {
        let Value::Local(kind, local) = value else {
            return self.own_reg(value);
        };
        let reg = match self.state.locals[local as usize].reg {
            Some(reg) => reg,
            None => self.bring_local(kind, local),
        };
        self.state.regs.pins.add(reg);
        self.check_use(value, reg);
        reg
    }

    /// Loads a local and keeps it in the register, unless locals are not to have any.
    fn bring_local(&mut self, kind: Kind, local: u32) -> Reg {
        let reg = self.alloc_lasting(kind.class());
        self.load_local(local, reg);
        if self.input.options.ablation.register_locals {
            self.state.bind(local, reg, Home::Current);
        }
        reg
    }

    /// A popped operand in a register of its own, to be changed.
    #[inline]
    pub(crate) fn own_reg(&mut self, value: Value) -> Reg {
        let reg = match value {
            Value::Reg(_, reg) => reg,
            _ => {
                let reg = self.alloc(value.kind().class());
                self.load_value(reg, value);
                reg
            }
        };
        self.check_use(value, reg);
        reg
    }

    /// A popped operand as whatever an instruction can take: to be released.
    #[inline]
    pub(crate) fn operand(&mut self, value: Value) -> Operand {
        match value {
            Value::Const(kind, bits) if kind.class() == RegClass::Int => {
                if let Some(imm) = value.imm32() {
                    return Operand::Imm(imm);
                }
                let scratch = self.masm.scratch();
                self.masm.mov_imm(scratch.reg(), bits);
                Operand::Reg(scratch.reg(), Some(scratch))
            }
            Value::Const(kind, bits) if bits != 0 => {
                Operand::Mem(self.masm.float_operand(kind.width(), bits))
            }
            Value::Slot(_, slot) => Operand::Mem(home(slot)),
            Value::Local(kind, local)
                if self.state.locals[local as usize].reg.is_none()
                    && !self.has_free(kind.class()) =>
            {
                Operand::Mem(home(self.state.locals[local as usize].slot))
            }
            _ => Operand::Reg(self.use_reg(value), None),
        }
    }

    /// Frees the operand's register.
    #[inline]
    pub(crate) fn release_operand(&mut self, operand: Operand) {
        if let Operand::Reg(reg, _) = operand {
            self.state.release(reg);
        }
    }

    /// Pushes a temporary.
    #[inline]
    pub(crate) fn push_reg(&mut self, kind: Kind, reg: Reg) {
        self.state.push(Value::Reg(kind, reg));
    }

    /// Pushes a constant.
    #[inline]
    pub(crate) fn push_const(&mut self, kind: Kind, bits: u64) {
        if self.input.options.ablation.track_constants {
            self.state.push(Value::Const(kind, bits));
        } else {
            let reg = self.alloc(kind.class());
            self.load_const(kind, reg, bits);
            self.push_reg(kind, reg);
        }
    }

    /// Brings all stack entries below a position to their slots.
    pub(crate) fn flush_stack(&mut self, upto: usize) {
        for position in self.state.flushed..upto {
            let value = self.state.stack[position];
            match value {
                Value::Slot(..) => continue,
                Value::Reg(_, reg) => {
                    self.spill(reg);
                    continue;
                }
                Value::Local(_, local) => self.state.locals[local as usize].aliases -= 1,
                _ => {}
            }
            let slot = self.state.stack_slot(position);
            self.store_value(home(slot), value);
            self.state.stack[position] = Value::Slot(value.kind(), slot);
        }
        self.state.flushed = self.state.flushed.max(upto);
    }

    /// Gives the stack entries that stand for a local's current value copies of their own, because
    /// the local changes. The first of them inherits the local's register.
    pub(crate) fn detach_aliases(&mut self, local: u32) {
        /// Entries that are searched. More are brought to their slots, where no search comes by
        /// again.
        const MAX_SEARCH: usize = 256;
        if self.state.stack.len() - self.state.flushed > MAX_SEARCH {
            self.flush_stack(self.state.stack.len());
            debug_assert_eq!(self.state.locals[local as usize].aliases, 0);
            return;
        }
        let mut left = self.state.locals[local as usize].aliases;
        let mut position = self.state.stack.len();
        while left > 0 {
            position -= 1;
            let Value::Local(kind, l) = self.state.stack[position] else {
                continue;
            };
            if l != local {
                continue;
            }
            left -= 1;
            let reg = match self.state.unbind(local) {
                Some(reg) => {
                    // The others still find the value: the slot gets it only if they need it.
                    if left > 0 {
                        self.store_local(local, reg);
                    }
                    reg
                }
                None => self.own_reg(Value::Local(kind, local)),
            };
            self.state.stack[position] = Value::Reg(kind, reg);
            self.state.regs.stack.add(reg);
            self.state.regs.holder[reg.index()] = position as u32;
        }
        self.state.locals[local as usize].aliases = 0;
    }
}
