//! The assembler: three sections, their fixups, and the records that become the artifact.
//!
//! Code is written to one of two sections. *Main* is what normally runs; *cold* holds traps,
//! out-of-line branch edges and tier-up calls, and is appended to main at the end, so that hot code
//! has neither in its way. *Data* lies behind both: constants and jump tables. A [`Pos`] names a
//! byte of a section. A short *head* is put in front when all are complete.
//!
//! Most instruction sequences are dynasm's ([`asm!`](crate::asm::asm)); the few forms that nearly
//! every operator emits come from [`encode`], which writes an instruction with one store
//! where dynasm pushes byte by byte. Jumps use fixup lists of our own instead of dynasm's labels: a
//! hash map lookup per label would cost more than the operator it serves.
//!
//! # Invariants
//!
//! - Labels are bound in main, except for those of dispatches of exceptions; any other cold
//!   position is known when it is referred to.
//! - Each kind of record is appended in code order within its section.

mod buffer;
mod cold;
mod data;
pub(crate) mod encode;
mod jumps;
pub(crate) mod opcode;
pub(crate) mod record;
pub(crate) mod vector;

use crate::reg::{Reg, Scratch, ScratchRegs};
pub(crate) use buffer::CodeBuffer;
pub(crate) use cold::Cold;
use data::Data;
use encode::{Alu, Op, OperandSize};
pub(crate) use jumps::{Cc, Label, ShortJump, Target};
use jumps::{Fixup, LateFixup};
use opcode::ImmSize;
use upshift_abi::{
    Builtin, CallSite, CodeOffset, RegClass, Relocation, RelocationTarget, TrapCode, TrapSite,
    WasmOffset,
};

/// Assembles with dynasm into a [`Masm`]'s current section. `vmctx` and `scratch` name the
/// registers with these roles; the scratch ones can be used by who shows them to hold them, as
/// `asm!(masm, scratch; …)`.
macro_rules! asm {
    ($masm:expr; $($code:tt)*) => {{
        #[allow(unused_imports)]
        use dynasmrt::DynasmApi as _;
        let buffer = &mut $masm.buf;
        dynasmrt::dynasm!(buffer
            ; .arch x64
            ; .alias vmctx, rdi
            ; $($code)*
        )
    }};
    ($masm:expr, $($scratch:ident),+; $($code:tt)*) => {{
        $(let _: &crate::reg::Scratch = &$scratch;)+
        crate::asm::asm!($masm;
            .alias scratch, r11
            ; .alias scratch_d, r11d
            ; .alias fscratch, xmm15
            ; $($code)*
        )
    }};
}
pub(crate) use asm;

/// A byte of what is being written: an offset in a section, which the two highest bits name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pos(u32);

impl Pos {
    const COLD: u32 = 1 << 30;
    const DATA: u32 = 2 << 30;
    /// A position that is yet to be set.
    const UNKNOWN: Pos = Pos(u32::MAX);

    /// A byte of the data section.
    fn data(offset: u32) -> Self {
        Pos(Self::DATA | offset)
    }

    fn section(self) -> u32 {
        self.0 & (Self::COLD | Self::DATA)
    }

    fn offset(self) -> usize {
        (self.0 & !(Self::COLD | Self::DATA)) as usize
    }

    /// The position this many bytes on.
    pub(crate) fn plus(self, bytes: u32) -> Self {
        Pos(self.0 + bytes)
    }

    /// Its offset in the whole, where the sections start there. The last entry is for
    /// [`UNKNOWN`](Self::UNKNOWN), so that no bounds are checked.
    #[inline]
    fn resolve(self, starts: [usize; 4]) -> usize {
        starts[(self.0 >> 30) as usize] + self.offset()
    }
}

/// What is recorded of a code section's bytes, each list in code order. Offsets are the section's.
#[derive(Default)]
struct Records {
    relocations: Vec<Relocation>,
    traps: Vec<TrapSite>,
    calls: Vec<CallSite>,
}

/// How many sites were recorded: traps of main and of cold code, and calls of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteMarks([usize; 4]);

/// What a comparison with zero is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZeroTest {
    /// Whether the value is zero: arithmetic leaves that in the flags, too.
    Equality,
    /// On which side of zero the value is.
    Order,
}

/// The assembler's state for one function; reused between functions.
#[derive(Default)]
pub(crate) struct Masm {
    /// The current section.
    pub(crate) buf: CodeBuffer,
    other: CodeBuffer,
    data: Data,
    /// The form of vector instructions.
    pub(crate) form: vector::Form,
    /// Whether a comparison's result is in the flags, so that nothing may change them.
    pub(crate) flags_live: bool,
    scratch: ScratchRegs,
    /// The register whose value the flags say zero or not, if it was changed by the last
    /// instruction.
    tested: Option<(usize, Reg, OperandSize)>,
    /// What comes before main, written last.
    head: CodeBuffer,
    /// A jump from head to cold code.
    head_jump: Option<(usize, Pos)>,
    in_cold: bool,
    fixups: Vec<Fixup>,
    late: Vec<LateFixup>,
    /// Of main and of cold.
    records: [Records; 2],
    /// What the checker has not seen yet.
    pub(crate) record: record::Record,
}

/// Between cold code and data: `int3`.
const PADDING: u8 = 0xcc;

/// The result of [`Masm::finish`].
pub(crate) struct Assembled {
    /// Code, then data.
    pub(crate) code: Vec<u8>,
    pub(crate) data_bytes: u32,
    pub(crate) relocations: Vec<Relocation>,
    pub(crate) traps: Vec<TrapSite>,
    pub(crate) calls: Vec<CallSite>,
}

impl Masm {
    /// Forgets everything but the allocations.
    pub(crate) fn reset(&mut self) {
        if self.in_cold {
            self.switch();
        }
        self.buf.clear();
        self.other.clear();
        self.data.clear();
        self.head.clear();
        self.head_jump = None;
        self.tested = None;
        self.flags_live = false;
        self.fixups.clear();
        self.late.clear();
        for records in &mut self.records {
            records.relocations.clear();
            records.traps.clear();
            records.calls.clear();
        }
        self.record.clear();
    }

    fn switch(&mut self) {
        std::mem::swap(&mut self.buf, &mut self.other);
        self.in_cold = !self.in_cold;
    }

    /// The integer scratch register, until the result is dropped.
    #[inline]
    pub(crate) fn scratch(&self) -> Scratch {
        self.scratch.lend(RegClass::Int)
    }

    /// The float scratch register, until the result is dropped.
    #[inline]
    pub(crate) fn fscratch(&self) -> Scratch {
        self.scratch.lend(RegClass::Float)
    }

    /// The next byte's position.
    #[inline]
    pub(crate) fn pos(&self) -> Pos {
        let section = if self.in_cold { Pos::COLD } else { 0 };
        Pos(self.buf.len() as u32 | section)
    }

    /// Bytes written so far, for limits.
    pub(crate) fn total_len(&self) -> usize {
        self.buf.len() + self.other.len() + self.data.len()
    }

    /// Where main starts in the whole.
    pub(crate) fn head_len(&self) -> usize {
        self.head.len()
    }

    /// The current section's records, and the next byte's offset there.
    #[inline]
    fn records(&mut self) -> (&mut Records, CodeOffset) {
        let at = CodeOffset(self.buf.len() as u32);
        (&mut self.records[usize::from(self.in_cold)], at)
    }

    /// Records that the four bytes which end `behind` bytes before here reach `target`.
    pub(crate) fn relocate(&mut self, target: RelocationTarget, behind: u32) {
        let (records, end) = self.records();
        records.relocations.push(Relocation {
            offset: CodeOffset(end.0 - behind - 4),
            target,
            addend: -4 - behind as i32,
        });
    }

    /// Records that the next instruction may trap.
    #[inline]
    pub(crate) fn trap_site(&mut self, wasm: WasmOffset, trap: TrapCode) {
        let (records, code) = self.records();
        records.traps.push(TrapSite { code, wasm, trap });
    }

    /// Records that the instruction before was a call that backtraces show.
    pub(crate) fn call_site(&mut self, wasm: WasmOffset) {
        let (records, code) = self.records();
        records.calls.push(CallSite { code, wasm });
        self.note(|| record::Effect::Call);
    }

    /// Records that the instruction before was a call, which backtraces show, of a stub that
    /// preserves all registers.
    pub(crate) fn preserving_call_site(&mut self, wasm: WasmOffset) {
        let (records, code) = self.records();
        records.calls.push(CallSite { code, wasm });
    }

    /// The number of sites so far.
    #[inline]
    pub(crate) fn site_marks(&self) -> SiteMarks {
        let [main, cold] = &self.records;
        SiteMarks([
            main.traps.len(),
            cold.traps.len(),
            main.calls.len(),
            cold.calls.len(),
        ])
    }

    /// The places of the sites that were recorded since.
    pub(crate) fn sites_since(&self, marks: SiteMarks) -> Vec<Pos> {
        let SiteMarks([main_traps, cold_traps, main_calls, cold_calls]) = marks;
        let [main, cold] = &self.records;
        let in_main = |code: CodeOffset| Pos(code.0);
        let in_cold = |code: CodeOffset| Pos(code.0 | Pos::COLD);
        let main_traps = main.traps[main_traps..].iter().map(|s| in_main(s.code));
        let main_calls = main.calls[main_calls..].iter().map(|s| in_main(s.code));
        let cold_traps = cold.traps[cold_traps..].iter().map(|s| in_cold(s.code));
        let cold_calls = cold.calls[cold_calls..].iter().map(|s| in_cold(s.code));
        let in_main = main_traps.chain(main_calls);
        in_main.chain(cold_traps).chain(cold_calls).collect()
    }

    /// `call [rip + target]`.
    pub(crate) fn call_cell(&mut self, target: RelocationTarget) {
        self.rip(Op::CALL, Op::CALL.in_modrm());
        self.buf.put(0, 4);
        self.relocate(target, 0);
        // These stubs preserve all registers.
        let stubs = [Builtin::TierUp, Builtin::NewEpoch, Builtin::OutOfFuel];
        if !stubs.map(RelocationTarget::Builtin).contains(&target) {
            self.note(|| record::Effect::Call);
        }
    }

    /// `call start`: calls the function that is being compiled.
    pub(crate) fn call_start(&mut self) {
        self.plain(Op::CALL_NEAR);
        self.buf.put(0, 4);
        self.relocate(RelocationTarget::Start, 0);
    }

    /// `jmp start`: goes to the beginning of the function that is being compiled.
    pub(crate) fn jmp_start(&mut self) {
        self.plain(Op::JMP);
        self.buf.put(0, 4);
        self.relocate(RelocationTarget::Start, 0);
    }

    /// Starts writing the head, when main and cold are complete.
    pub(crate) fn begin_head(&mut self) {
        debug_assert!(!self.in_cold);
        std::mem::swap(&mut self.buf, &mut self.head);
    }

    /// Ends what [`begin_head`](Self::begin_head) started.
    pub(crate) fn end_head(&mut self) {
        debug_assert!(!self.in_cold);
        std::mem::swap(&mut self.buf, &mut self.head);
    }

    /// Jumps from the head to cold code under a condition; once.
    pub(crate) fn jcc_from_head(&mut self, cc: Cc, target: Pos) {
        debug_assert!(!self.in_cold);
        self.plain(Op::JCC.cc(cc));
        self.buf.put(0, 4);
        self.head_jump = Some((self.buf.len(), target));
    }

    /// `sub dword [rip + target], amount`.
    pub(crate) fn sub_cell(&mut self, target: RelocationTarget, amount: i32) {
        let size = ImmSize::of(amount);
        let op = Alu::Sub.with_imm(size);
        self.rip(op, op.in_modrm());
        self.buf.put(0, 4);
        self.buf.put(u64::from(amount as u32), size as usize);
        self.relocate(target, size as u32);
    }

    /// `mov reg, [rip + target]`, of 32 bits.
    pub(crate) fn load_cell(&mut self, reg: Reg, target: RelocationTarget) {
        self.rip(Op::MOV, reg.hw());
        self.buf.put(0, 4);
        self.relocate(target, 0);
    }

    /// `mov [rip + target], reg`, of 32 bits.
    pub(crate) fn store_cell(&mut self, target: RelocationTarget, reg: Reg) {
        self.rip(Op::STORE, reg.hw());
        self.buf.put(0, 4);
        self.relocate(target, 0);
    }

    /// `or [rip + target], reg`, of 32 bits.
    pub(crate) fn or_cell(&mut self, target: RelocationTarget, reg: Reg) {
        self.rip(Op::OR_STORE, reg.hw());
        self.buf.put(0, 4);
        self.relocate(target, 0);
    }

    /// Notes that a register has the function's budget.
    pub(crate) fn note_budget(&mut self, reg: Reg) {
        self.note(|| record::Effect::Budget(reg));
    }

    /// Notes that the instruction before has set the zero flag by the register's new value.
    pub(crate) fn sets_zero_flag(&mut self, reg: Reg, size: OperandSize) {
        self.tested = Some((self.buf.len(), reg, size));
    }

    /// Compares a register with zero, unless the instruction before has done so and that is enough.
    pub(crate) fn test_zero(&mut self, reg: Reg, size: OperandSize, test: ZeroTest) {
        let tested = self.tested == Some((self.buf.len(), reg, size)) && !self.in_cold;
        if test == ZeroTest::Order || !tested {
            self.rr(Op::TEST.sized(size), reg, reg);
        }
    }

    /// The offset in the whole of a position, when head and main are complete.
    pub(crate) fn code_offset(&self, pos: Pos) -> CodeOffset {
        debug_assert!(!self.in_cold);
        let main = self.head.len();
        CodeOffset(pos.resolve([main, main + self.buf.len(), 0, 0]) as u32)
    }

    /// Joins the sections and resolves what was left open.
    pub(crate) fn finish(&mut self) -> Assembled {
        debug_assert!(!self.in_cold);
        let main = self.head.len();
        let cold = main + self.buf.len();
        let end = cold + self.other.len();
        let data = self.data.start(end);
        let starts = [main, cold, data, 0];
        let mut code = Vec::with_capacity(data + self.data.len());
        code.extend_from_slice(self.head.bytes());
        code.extend_from_slice(self.buf.bytes());
        code.extend_from_slice(self.other.bytes());
        if self.data.len() > 0 {
            code.resize(data, PADDING);
            code.extend_from_slice(self.data.bytes());
        }
        let data_bytes = (code.len() - end) as u32;
        let mut set = |at: usize, value: i64| {
            code[at..at + 4].copy_from_slice(&(value as i32).to_le_bytes());
        };
        for fixup in &self.late {
            debug_assert!(fixup.target != Pos::UNKNOWN, "a jump that leads nowhere");
            let value = fixup.target.resolve(starts) as i64 - fixup.base.resolve(starts) as i64;
            set(fixup.at.resolve(starts), value);
        }
        if let Some((end, target)) = self.head_jump {
            set(end - 4, target.resolve(starts) as i64 - end as i64);
        }
        let starts = [main as u32, cold as u32];
        let [main, cold] = &self.records;
        let relocations = [&main.relocations[..], &cold.relocations];
        Assembled {
            code,
            data_bytes,
            relocations: joined(relocations, starts, |r| &mut r.offset),
            traps: joined([&main.traps[..], &cold.traps], starts, |t| &mut t.code),
            calls: joined([&main.calls[..], &cold.calls], starts, |c| &mut c.code),
        }
    }
}

/// Records of main, then of cold, with offsets in the whole.
fn joined<T: Copy>(
    records: [&[T]; 2],
    starts: [u32; 2],
    offset: impl Fn(&mut T) -> &mut CodeOffset,
) -> Vec<T> {
    let mut all = Vec::with_capacity(records[0].len() + records[1].len());
    for (records, start) in records.into_iter().zip(starts) {
        all.extend(records.iter().map(|&record| {
            let mut record = record;
            offset(&mut record).0 += start;
            record
        }));
    }
    all
}
