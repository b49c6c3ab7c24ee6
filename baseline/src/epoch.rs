//! Epochs: the look, at entries and loop headers, whether the store's deadline has come.
//!
//! The engine's epoch is compared with the context's copy of the deadline. Both are in memory, as
//! what runs when the deadline has come may move it; the way there is out of line, through a stub
//! that preserves all registers, so that nothing of the abstract state changes. (Of globals, tables
//! and memories it says nothing.)

use upshift_abi::vmctx::VmContext;
use upshift_abi::{Builtin, RelocationTarget};

use crate::asm::Cc;
use crate::asm::encode::{Alu, Mem, Op};
use crate::func_gen::FuncGen;
use crate::reg::Reg;

impl FuncGen<'_> {
    /// At a function's entry or a loop's header: calls the runtime if the deadline has come, if
    /// code is to look.
    pub(crate) fn emit_epoch_check(&mut self) {
        if !self.input.options.epochs {
            return;
        }
        debug_assert!(!self.masm.flags_live, "nothing is compared in front of it");
        let scratch = self.masm.scratch();
        let epoch = Mem::base(Reg::VMCTX, VmContext::EPOCH.disp());
        let deadline = Mem::base(Reg::VMCTX, VmContext::EPOCH_DEADLINE.disp());
        self.masm.rm(Op::MOV.wide(), scratch.reg(), epoch);
        let epoch = Mem::base(scratch.reg(), 0);
        self.masm.rm(Op::MOV.wide(), scratch.reg(), epoch);
        self.masm.rm(Alu::Cmp.op().wide(), scratch.reg(), deadline);
        drop(scratch);
        self.call_stub_if(Cc::Ae, Builtin::NewEpoch);
    }

    /// If the condition code holds, calls a stub that preserves all registers.
    pub(crate) fn call_stub_if(&mut self, cc: Cc, stub: Builtin) {
        let wasm = self.wasm_offset();
        self.out_of_line(cc, |cold| {
            cold.call_cell(RelocationTarget::Builtin(stub));
            cold.preserving_call_site(wasm);
            cold.resume();
        });
    }
}
