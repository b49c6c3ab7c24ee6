//! Epochs: the look, at entries and loop headers, whether the store's deadline has come.
//!
//! The engine's epoch is compared with the context's copy of the deadline, which stays in memory: a
//! register for it would be one fewer for the loop. What runs when the deadline has come may do
//! whatever the embedder likes, so nothing that is known of memory, globals or fuel holds behind
//! it; but it preserves all registers, and stands in cold code.
//!
//! Bodies that are inlined have no look at their entry: what they do besides loops is as short as
//! what is around them.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use upshift_abi::Builtin;
use upshift_abi::vmctx::VmContext;

use super::{Region, Translator, fixed, trusted};
use crate::signature::POINTER;

impl Translator<'_> {
    /// Calls the runtime if the deadline has come, if code is to look.
    pub(crate) fn check_epoch(&mut self) {
        if !self.env.config.options.epochs {
            return;
        }
        let vmctx = self.vmctx;
        let flags = fixed(self.builder.func, Region::Context);
        let epoch = VmContext::EPOCH.disp();
        let epoch = self.ins().load(POINTER, flags, vmctx, epoch);
        // Atomic, so that each look is a load: other threads write it.
        let flags = trusted(self.builder.func, Region::Epoch);
        let epoch = self.ins().atomic_load(types::I64, flags, epoch);
        let deadline = VmContext::EPOCH_DEADLINE.disp();
        let deadline = self.ins().load(types::I64, flags, vmctx, deadline);
        let is_over = IntCC::UnsignedGreaterThanOrEqual;
        let is_over = self.ins().icmp(is_over, epoch, deadline);

        self.call_stub_if(is_over, Builtin::NewEpoch);
        self.contents.forget_contents();
    }

    /// If the condition holds, calls a stub that preserves all registers and may change the fuel.
    pub(super) fn call_stub_if(&mut self, condition: Value, stub: Builtin) {
        let [call, next] = [(); 2].map(|()| self.builder.create_block());
        self.ins().brif(condition, call, &[], next, &[]);
        self.builder.seal_block(call);
        self.builder.set_cold_block(call);
        self.builder.switch_to_block(call);
        let vmctx = self.vmctx;
        let stub = self.env.preserving_stub(self.builder.func, stub);
        self.ins().call(stub, &[vmctx]);
        self.forget_fuel();
        self.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }
}
