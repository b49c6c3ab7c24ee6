//! Locals, globals, constants, `drop` and `select`.

use wasmparser::{Ieee32, Ieee64};

use upshift_abi::GlobalIndex;
use upshift_abi::vmctx::Place;

use crate::asm::Cc;
use crate::asm::encode::{Mem, Op};
use crate::func_gen::FuncGen;
use crate::peek::Next;
use crate::reg::Reg;
use crate::value::{Cond, Ty, Value};

/// Stack entries above the flushed ones that may be references to locals: bounds the search for
/// them when a local changes.
const MAX_ALIASES: usize = 64;

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
        self.state.push(Value::Local(entry.ty, local));
    }

    pub(crate) fn visit_local_set(&mut self, local: u32) {
        let value = self.state.pop();
        self.assign(local, value);
    }

    pub(crate) fn visit_local_tee(&mut self, local: u32) {
        let value = self.state.pop();
        self.assign(local, value);
        self.state.push(Value::Local(self.local_ty(local), local));
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
        if !self.options.ablation.register_locals {
            let reg = self.use_reg(value);
            self.store_slot(value.ty(), local, reg);
            self.state.release(reg);
            return;
        }
        match (value, self.state.locals[local as usize].reg) {
            (Value::Reg(_, reg), old) => {
                if old.is_some() {
                    let old = self.state.unbind(local);
                    old.into_iter().for_each(|reg| self.state.release(reg));
                }
                self.state.bind(local, reg, true);
            }
            (Value::Const(ty, _), None) if !self.has_free(ty.is_float()) => {
                self.store_value(crate::alloc::home(local), value);
            }
            (_, old) => {
                let reg = old.unwrap_or_else(|| {
                    let reg = self.alloc_lasting(value.ty().is_float());
                    self.state.bind(local, reg, true);
                    reg
                });
                self.state.regs.dirty.add(reg);
                self.load_value(reg, value);
            }
        }
    }

    pub(crate) fn visit_global_get(&mut self, global: u32) {
        let global = GlobalIndex(global);
        let ty = Ty::from(self.facts.globals[global.index()].content);
        let mem = self.global_place(global);
        let target = self.target_reg(ty);
        let dst = self.dest(target, ty);
        self.load(ty, dst, mem);
        self.push_dest(target, ty, dst);
    }

    pub(crate) fn visit_global_set(&mut self, global: u32) {
        let value = self.state.pop();
        let constant = matches!(value, Value::Const(ty, bits)
            if !ty.is_64() || i64::from(bits as i32) == bits as i64);
        if constant {
            let mem = self.global_place(GlobalIndex(global));
            self.store_value(mem, value);
        } else {
            let reg = self.use_reg(value);
            let mem = self.global_place(GlobalIndex(global));
            self.store(value.ty(), mem, reg);
            self.state.release(reg);
        }
    }

    /// A global's value; may use `scratch` to reach it.
    fn global_place(&mut self, global: GlobalIndex) -> Mem {
        match self.facts.layout.global(global) {
            Place::Inline(offset) => Mem::base(Reg::VMCTX, offset.disp()),
            Place::Pointer(offset) => {
                let pointer = Mem::base(Reg::VMCTX, offset.disp());
                self.masm.rm(Op::MOV.wide(true), Reg::SCRATCH, pointer);
                Mem::base(Reg::SCRATCH, 0)
            }
        }
    }

    pub(crate) fn visit_i32_const(&mut self, value: i32) {
        self.push_const(Ty::I32, u64::from(value as u32));
    }

    pub(crate) fn visit_i64_const(&mut self, value: i64) {
        self.push_const(Ty::I64, value as u64);
    }

    pub(crate) fn visit_f32_const(&mut self, value: Ieee32) {
        self.push_const(Ty::F32, u64::from(value.bits()));
    }

    pub(crate) fn visit_f64_const(&mut self, value: Ieee64) {
        self.push_const(Ty::F64, value.bits());
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
        let ty = value.ty();
        let dst = self.own_reg(value);
        if ty.is_float() {
            self.select_float(cond, dst, other);
        } else {
            let other_reg = self.use_reg(other);
            self.emit_cmov_unless(cond, ty, dst, other_reg);
            self.state.release(other_reg);
        }
        self.flags_live = false;
        self.push_reg(ty, dst);
    }

    /// Pushes a popped operand at another position.
    fn repush(&mut self, value: Value) {
        if let Value::Slot(ty, _) = value {
            let reg = self.own_reg(value);
            self.push_reg(ty, reg);
        } else {
            self.state.push(value);
        }
    }

    /// Replaces `dst` by `other` unless the condition holds.
    fn emit_cmov_unless(&mut self, cond: Cond, ty: Ty, dst: Reg, other: Reg) {
        match cond {
            Cond::Cc(cc) => self.masm.cmov(cc.negate(), ty.is_64(), dst, other),
            Cond::FloatEq => {
                self.masm.cmov(Cc::P, ty.is_64(), dst, other);
                self.masm.cmov(Cc::Ne, ty.is_64(), dst, other);
            }
            Cond::FloatNe => {
                // Take `other` exactly if equal and ordered: undo is impossible, so branch.
                let unordered = self.masm.jcc_short(Cc::P);
                self.masm.cmov(Cc::E, ty.is_64(), dst, other);
                self.masm.bind_short(unordered);
            }
        }
    }

    fn select_float(&mut self, cond: Cond, dst: Reg, other: Value) {
        let other = self.use_reg(other);
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
        self.state.release(other);
    }

    /// Where a popped condition is in the flags. They stay live until the caller has used them.
    pub(crate) fn test(&mut self, condition: Value) -> Cond {
        if let Value::Flags(cond) = condition {
            return cond;
        }
        let reg = self.use_reg(condition);
        self.masm.test_zero(reg, false, true);
        self.state.release(reg);
        self.flags_live = true;
        Cond::Cc(Cc::Ne)
    }

    /// If the next operator assigns a local of the type that is in a register and that no stack entry
    /// stands for: the local and its register, in which to compute the value.
    #[inline]
    pub(crate) fn target_reg(&mut self, ty: Ty) -> Option<(u32, Reg)> {
        let Next::AssignLocal(index) = self.peek.next(self.pos) else {
            return None;
        };
        if !self.options.ablation.target_locals {
            return None;
        }
        let local = self.state.locals.get(index as usize)?;
        match local.reg {
            Some(reg) if local.aliases == 0 && local.ty == ty => {
                self.state.regs.pins.add(reg);
                Some((index, reg))
            }
            _ => None,
        }
    }

    /// The register to compute a result in, from nothing that the target's register holds.
    #[inline]
    pub(crate) fn dest(&mut self, target: Option<(u32, Reg)>, ty: Ty) -> Reg {
        match target {
            Some((_, reg)) => reg,
            None => self.alloc(ty.is_float()),
        }
    }

    /// Pushes a result that was computed in [`dest`](Self::dest)'s register.
    #[inline]
    pub(crate) fn push_dest(&mut self, target: Option<(u32, Reg)>, ty: Ty, reg: Reg) {
        match target {
            Some((local, reg)) => {
                self.state.regs.dirty.add(reg);
                self.state.push(Value::Local(ty, local));
            }
            None => self.push_reg(ty, reg),
        }
    }
}
