//! The registers of x86-64, and which of them the calling convention uses for what.

/// A general-purpose register by its hardware encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gpr(pub u8);

/// An SSE register by its hardware encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Xmm(pub u8);

#[allow(missing_docs)]
impl Gpr {
    pub const RAX: Gpr = Gpr(0);
    pub const RCX: Gpr = Gpr(1);
    pub const RDX: Gpr = Gpr(2);
    pub const RBX: Gpr = Gpr(3);
    pub const RSP: Gpr = Gpr(4);
    pub const RBP: Gpr = Gpr(5);
    pub const RSI: Gpr = Gpr(6);
    pub const RDI: Gpr = Gpr(7);
    pub const R8: Gpr = Gpr(8);
    pub const R9: Gpr = Gpr(9);
    pub const R10: Gpr = Gpr(10);
    pub const R11: Gpr = Gpr(11);
    pub const R12: Gpr = Gpr(12);
    pub const R13: Gpr = Gpr(13);
    pub const R14: Gpr = Gpr(14);
    pub const R15: Gpr = Gpr(15);
}

/// The register of the callee's `VmContext*`.
pub const VMCTX: Gpr = Gpr::RDI;

/// The register of the pointer to the result area, if the signature has one.
pub const RESULT_AREA: Gpr = Gpr::RSI;

/// Integer argument registers in order, `VMCTX` included.
pub const INT_ARGS: [Gpr; 6] = [Gpr::RDI, Gpr::RSI, Gpr::RDX, Gpr::RCX, Gpr::R8, Gpr::R9];

/// Registers that a function must give back as it found them, `rbp` and `rsp` aside: Cranelift's
/// `tail` convention preserves them, so optimized callers keep values there across calls.
pub const CALLEE_SAVED: [Gpr; 5] = [Gpr::RBX, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// Number of float argument registers, from `xmm0`.
pub const FLOAT_ARGS: u8 = 8;

/// Integer result registers in order.
pub const INT_RESULTS: [Gpr; 4] = [Gpr::RAX, Gpr::RCX, Gpr::RDX, Gpr::RSI];

/// Number of float result registers, from `xmm0`.
pub const FLOAT_RESULTS: u8 = 4;
