//! Locals, globals, constants, `drop` and `select`.

use wasmparser::{Ieee32, Ieee64};

use upshift_abi::vmctx::Place;
use upshift_abi::{GlobalIndex, Kind, RegClass};

use crate::alloc::home;
use crate::asm::encode::{Mem, Op, OperandSize};
use crate::asm::record::faults::Fault;
use crate::asm::{Cc, ZeroTest};
use crate::check::Assigned;
use crate::func_gen::FuncGen;
use crate::peek::Next;
use crate::reg::{Reg, Scratch};
use crate::state::Home;
use crate::value::{Cond, Value};

/// Stack entries above the flushed ones that may be references to locals: bounds the search for
/// them when a local changes.
const MAX_ALIASES: usize = 64;

const _: () = assert!(
    MAX_ALIASES < u8::MAX as usize,
    "locals count them in a byte"
);

impl FuncGen<'_> {
    pub(crate) fn visit_local_get(&mut self, local: u32) {
        if self.state.stack.len() - self.state.flushed >= MAX_ALIASES {
            self.flush_stack(self.state.stack.len() - MAX_ALIASES / 2);
        }
        let Some(&entry) = self.state.locals.get(local as usize) else {
            return;
        };
        if let Some(reg) = entry.reg {
            self.state.regs.recent.add(reg);
        }
        self.state.push(Value::Local(entry.kind, local));
        self.check_local_get(local);
    }

    pub(crate) fn visit_local_set(&mut self, local: u32) {
        let value = self.state.pop();
        self.assign(local, value);
        self.check_local_set(local, Assigned::Dropped);
        self.describe_assigned(local);
    }

    pub(crate) fn visit_local_tee(&mut self, local: u32) {
        let value = self.state.pop();
        self.assign(local, value);
        self.state.push(Value::Local(self.local_kind(local), local));
        self.check_local_set(local, Assigned::Kept);
        self.describe_assigned(local);
    }

    fn assign(&mut self, local: u32, value: Value) {
        if matches!(value, Value::Local(_, l) if l == local) {
            return;
        }
        // The operand is popped: nothing that happens here may take its register.
        if let Some(reg) = self.current_reg(value) {
            self.state.regs.pins.add(reg);
        }
        if self.state.locals[local as usize].aliases > 0 {
            self.detach_aliases(local);
        }
        if !self.input.options.ablation.register_locals {
            let reg = self.use_reg(value);
            self.store_local(local, reg);
            self.state.release(reg);
            return;
        }
        match (value, self.state.locals[local as usize].reg) {
            (Value::Reg(_, reg), old) => {
                if old.is_some() {
                    let old = self.state.unbind(local);
                    old.into_iter().for_each(|reg| self.state.release(reg));
                }
                self.state.bind(local, reg, Home::Stale);
            }
            (Value::Const(kind, _), None) if !self.has_free(kind.class()) => {
                let slot = self.state.locals[local as usize].slot;
                self.store_value(home(slot), value);
            }
            (_, old) => {
                let reg = old.unwrap_or_else(|| {
                    let reg = self.alloc_lasting(value.kind().class());
                    self.state.bind(local, reg, Home::Stale);
                    reg
                });
                self.state.regs.dirty.add(reg);
                self.load_operand(reg, value);
            }
        }
    }

    pub(crate) fn visit_global_get(&mut self, global: u32) {
        let global = GlobalIndex(global);
        let kind = self.input.facts.globals[global.index()].content.kind();
        let (mem, _scratch) = self.global_place(global);
        let target = self.target_reg(kind);
        let dst = self.dest(target, kind);
        self.load(kind, dst, mem);
        self.push_dest(target, kind, dst);
    }

    pub(crate) fn visit_global_set(&mut self, global: u32) {
        let value = self.state.pop();
        if value.imm32().is_some() {
            let (mem, _scratch) = self.global_place(GlobalIndex(global));
            self.store_value(mem, value);
        } else {
            let reg = self.use_reg(value);
            let (mem, _scratch) = self.global_place(GlobalIndex(global));
            self.store(value.kind(), mem, reg);
            self.state.release(reg);
        }
    }

    /// A global's value, and the scratch register if that leads to it.
    fn global_place(&mut self, global: GlobalIndex) -> (Mem, Option<Scratch>) {
        match self.input.facts.layout.global(global) {
            Place::Inline(offset) => (Mem::base(Reg::VMCTX, offset.disp()), None),
            Place::Pointer(offset) => {
                let pointer = Mem::base(Reg::VMCTX, offset.disp());
                let scratch = self.masm.scratch();
                self.masm.rm(Op::MOV.wide(), scratch.reg(), pointer);
                (Mem::base(scratch.reg(), 0), Some(scratch))
            }
        }
    }

    pub(crate) fn visit_i32_const(&mut self, value: i32) {
        self.push_const(Kind::I32, u64::from(value as u32));
    }

    pub(crate) fn visit_i64_const(&mut self, value: i64) {
        self.push_const(Kind::I64, value as u64);
    }

    pub(crate) fn visit_f32_const(&mut self, value: Ieee32) {
        self.push_const(Kind::F32, u64::from(value.bits()));
    }

    pub(crate) fn visit_f64_const(&mut self, value: Ieee64) {
        self.push_const(Kind::F64, value.bits());
    }

    pub(crate) fn visit_nop(&mut self) {}

    pub(crate) fn visit_drop(&mut self) {
        let value = self.state.pop();
        self.state.discard(value);
    }

    pub(crate) fn visit_typed_select(&mut self, _ty: wasmparser::ValType) {
        self.visit_select();
    }

    pub(crate) fn visit_select(&mut self) {
        let condition = self.state.pop();
        if let Value::Const(_, condition) = condition {
            let other = self.state.pop();
            if condition == 0 {
                let value = self.state.pop();
                self.state.discard(value);
                self.repush(other);
            } else {
                self.state.discard(other);
            }
            return;
        }
        let other = self.state.pop();
        let value = self.state.pop();
        let cond = self.test(condition);
        let kind = value.kind();
        let dst = self.own_reg(value);
        let other = self.use_reg(other);
        match kind.class() {
            RegClass::Int => self.emit_cmov_unless(cond, OperandSize::of(kind.width()), dst, other),
            RegClass::Float => self.emit_move_unless(cond, dst, other),
        }
        self.state.release(other);
        self.masm.flags_live = false;
        self.push_reg(kind, dst);
    }

    /// Pushes a popped operand at another position.
    fn repush(&mut self, value: Value) {
        if let Value::Slot(kind, _) = value {
            let reg = self.own_reg(value);
            self.push_reg(kind, reg);
        } else {
            self.state.push(value);
        }
    }

    /// Replaces `dst` by `other` unless the condition holds.
    fn emit_cmov_unless(&mut self, cond: Cond, size: OperandSize, dst: Reg, other: Reg) {
        match cond {
            Cond::Cc(cc) => self.masm.cmov(cc.negate(), size, dst, other),
            Cond::FloatEq => {
                self.masm.cmov(Cc::P, size, dst, other);
                self.masm.cmov(Cc::Ne, size, dst, other);
            }
            Cond::FloatNe => {
                // Take `other` exactly if equal and ordered: undo is impossible, so branch.
                let unordered = self.masm.jcc_short(Cc::P);
                self.masm.cmov(Cc::E, size, dst, other);
                self.masm.bind_short(unordered);
            }
        }
    }

    /// As [`emit_cmov_unless`](Self::emit_cmov_unless), between float registers.
    fn emit_move_unless(&mut self, cond: Cond, dst: Reg, other: Reg) {
        match cond {
            Cond::Cc(cc) => {
                let keep = self.masm.jcc_short(cc);
                self.masm.mov(dst, other);
                self.masm.bind_short(keep);
            }
            Cond::FloatEq => {
                let replace = self.masm.jcc_short(Cc::P);
                let keep = self.masm.jcc_short(Cc::E);
                self.masm.bind_short(replace);
                self.masm.mov(dst, other);
                self.masm.bind_short(keep);
            }
            Cond::FloatNe => {
                let keep = self.masm.jcc_short(Cc::P);
                let keep_too = self.masm.jcc_short(Cc::Ne);
                self.masm.mov(dst, other);
                self.masm.bind_short(keep);
                self.masm.bind_short(keep_too);
            }
        }
    }

    /// Where a popped condition is in the flags. They stay live until the caller has used them.
    pub(crate) fn test(&mut self, condition: Value) -> Cond {
        if let Value::Flags(cond) = condition {
            return cond;
        }
        let reg = self.use_reg(condition);
        self.masm
            .test_zero(reg, OperandSize::S32, ZeroTest::Equality);
        self.state.release(reg);
        self.masm.flags_live = true;
        Cond::Cc(Cc::Ne)
    }

    /// If the next operator assigns a local of the type that is in a register and that no stack
    /// entry stands for: the local and its register, in which to compute the value.
    #[inline]
    pub(crate) fn target_reg(&mut self, kind: Kind) -> Option<(u32, Reg)> {
        let Next::AssignLocal(index) = self.input.peek.next(self.cursor.pos) else {
            return None;
        };
        if !self.input.options.ablation.target_locals {
            return None;
        }
        let mut target = self.assignable(index, kind);
        if cfg!(test) {
            let wrong = self.assignable(index ^ 1, kind);
            if wrong.is_some() && self.masm.goes_wrong(Fault::WrongTarget) {
                target = wrong;
            }
        }
        if let Some((_, reg)) = target {
            self.state.regs.pins.add(reg);
        }
        target
    }

    /// A local of the kind that is in a register and that no stack entry stands for, and the
    /// register.
    #[inline]
    fn assignable(&self, local: u32, kind: Kind) -> Option<(u32, Reg)> {
        let entry = self.state.locals.get(local as usize)?;
        let free = entry.aliases == 0 && entry.kind == kind;
        Some((local, entry.reg.filter(|_| free)?))
    }

    /// The register to compute a result in, from nothing that the target's register holds.
    #[inline]
    pub(crate) fn dest(&mut self, target: Option<(u32, Reg)>, kind: Kind) -> Reg {
        match target {
            Some((_, reg)) => reg,
            None => self.alloc(kind.class()),
        }
    }

    /// Pushes a result that was computed in [`dest`](Self::dest)'s register.
    #[inline]
    pub(crate) fn push_dest(&mut self, target: Option<(u32, Reg)>, kind: Kind, reg: Reg) {
        match target {
            Some((local, reg)) => {
                self.state.regs.dirty.add(reg);
                self.state.push(Value::Local(kind, local));
                self.check_target(local);
            }
            None => self.push_reg(kind, reg),
        }
    }
}
