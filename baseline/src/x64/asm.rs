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
pub(crate) mod opcode;
pub(crate) mod record;
pub(crate) mod vector;

use crate::reg::{Reg, Scratch, ScratchRegs};
use crate::value::Cond;
pub(crate) use buffer::CodeBuffer;
pub(crate) use cold::Cold;
use data::Data;
use encode::{Alu, Op, OperandSize};
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

/// A forward label: the list of places that wait for its position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(u32);

impl Label {
    const NONE: u32 = u32::MAX;

    /// A label that nothing refers to yet.
    pub(crate) const fn new() -> Self {
        Label(Self::NONE)
    }

    /// Whether nothing refers to it.
    pub(crate) fn is_unused(self) -> bool {
        self.0 == Self::NONE
    }
}

/// The target of a jump.
pub(crate) enum Target<'l> {
    Pos(Pos),
    Label(&'l mut Label),
}

/// A four-byte field that waits for a label: it gets `target - base`.
struct Fixup {
    at: Pos,
    base: Pos,
    next: u32,
}

/// A four-byte field between the sections, resolved when both lengths are known.
struct LateFixup {
    at: Pos,
    base: Pos,
    target: Pos,
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

/// The eight-bit displacement of a short forward jump, to be bound in the same section.
#[must_use]
pub(crate) struct ShortJump(usize);

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

    /// Writes a four-byte field that will hold `target - (its own end)`.
    fn rel32_to(&mut self, target: Pos) {
        let at = self.pos();
        if target.section() == self.pos().section() {
            let value = target.offset() as i64 - (at.offset() as i64 + 4);
            self.buf.put(u64::from(value as u32), 4);
        } else {
            self.buf.put(0, 4);
            let base = at.plus(4);
            self.late.push(LateFixup { at, base, target });
        }
    }

    fn rel32_to_label(&mut self, label: &mut Label) {
        let at = self.pos();
        self.buf.put(0, 4);
        self.wait(label, at, at.plus(4));
    }

    fn wait(&mut self, label: &mut Label, at: Pos, base: Pos) {
        let next = label.0;
        label.0 = self.fixups.len() as u32;
        self.fixups.push(Fixup { at, base, next });
    }

    /// Jumps to a known position.
    pub(crate) fn jmp(&mut self, target: Pos) {
        if let Some(distance) = self.short_distance(target) {
            return self.rel8(Op::JMP_SHORT, distance);
        }
        self.plain(Op::JMP);
        self.rel32_to(target);
    }

    /// The displacement of a two-byte jump back, if the target is near enough.
    fn short_distance(&self, target: Pos) -> Option<u8> {
        if target.section() != self.pos().section() {
            return None;
        }
        let distance = target.offset() as i64 - (self.buf.len() as i64 + 2);
        i8::try_from(distance).ok().map(|distance| distance as u8)
    }

    /// Jumps to a label.
    pub(crate) fn jmp_label(&mut self, label: &mut Label) {
        self.plain(Op::JMP);
        self.rel32_to_label(label);
    }

    /// Jumps to a known position if the condition code holds.
    pub(crate) fn jcc(&mut self, cc: Cc, target: Pos) {
        if let Some(distance) = self.short_distance(target) {
            return self.rel8(Op::JCC_SHORT.cc(cc), distance);
        }
        self.plain(Op::JCC.cc(cc));
        self.rel32_to(target);
    }

    /// Jumps to a label if the condition code holds.
    fn jcc_label(&mut self, cc: Cc, label: &mut Label) {
        self.plain(Op::JCC.cc(cc));
        self.rel32_to_label(label);
    }

    /// Jumps, under a condition if there is one.
    pub(crate) fn jump(&mut self, cond: Option<Cond>, mut target: Target<'_>) {
        match cond {
            None => match target {
                Target::Pos(pos) => self.jmp(pos),
                Target::Label(label) => self.jmp_label(label),
            },
            Some(Cond::Cc(cc)) => self.jcc_target(cc, &mut target),
            Some(Cond::FloatEq) => {
                let unordered = self.jcc_short(Cc::P);
                self.jcc_target(Cc::E, &mut target);
                self.bind_short(unordered);
            }
            Some(Cond::FloatNe) => {
                self.jcc_target(Cc::P, &mut target);
                self.jcc_target(Cc::Ne, &mut target);
            }
        }
    }

    fn jcc_target(&mut self, cc: Cc, target: &mut Target<'_>) {
        match target {
            Target::Pos(pos) => self.jcc(cc, *pos),
            Target::Label(label) => self.jcc_label(cc, label),
        }
    }

    /// A short jump forward if the condition code holds.
    pub(crate) fn jcc_short(&mut self, cc: Cc) -> ShortJump {
        self.rel8(Op::JCC_SHORT.cc(cc), 0);
        ShortJump(self.buf.len())
    }

    /// A short jump forward.
    pub(crate) fn jmp_short(&mut self) -> ShortJump {
        self.rel8(Op::JMP_SHORT, 0);
        ShortJump(self.buf.len())
    }

    /// Makes a short jump come here. The code between must be shorter than 128 bytes.
    pub(crate) fn bind_short(&mut self, jump: ShortJump) {
        let distance = self.buf.len() - jump.0;
        debug_assert!(distance < 128, "a short jump over {distance} bytes");
        self.buf.set_byte(jump.0 - 1, distance as u8);
        self.tested = None;
    }

    /// Where a loop begins: control also comes from behind.
    pub(crate) fn begin_loop(&mut self) -> Pos {
        debug_assert!(!self.in_cold);
        self.tested = None;
        self.pos()
    }

    /// Where a block begins that cold code jumps to.
    pub(crate) fn begin_catch(&mut self) -> Pos {
        self.begin_loop()
    }

    /// Makes everything that waits for the label come here, in main.
    #[inline(always)]
    pub(crate) fn bind(&mut self, label: Label) {
        debug_assert!(!self.in_cold);
        self.bind_here(label);
    }

    /// Makes everything that waits for the label come here, in cold code.
    pub(crate) fn bind_cold(&mut self, label: Label) {
        debug_assert!(self.in_cold);
        self.bind_here(label);
    }

    #[inline(always)]
    fn bind_here(&mut self, label: Label) {
        // ControlFrame may come from elsewhere, with other flags.
        self.tested = None;
        let target = self.pos();
        let mut next = label.0;
        while let Some(fixup) = self.fixups.get(next as usize) {
            let &Fixup {
                at,
                base,
                next: following,
            } = fixup;
            if at.section() != target.section() || base.section() != target.section() {
                self.late.push(LateFixup { at, base, target });
            } else {
                let value = target.offset() as i64 - base.offset() as i64;
                self.buf.set_i32(at.offset(), value as i32);
            }
            next = following;
        }
    }

    /// Loads the address of a position.
    pub(crate) fn lea(&mut self, dst: Reg, target: Pos) {
        self.rip(Op::LEA.wide(), dst.hw());
        self.rel32_to(target);
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

/// Condition codes of the processor, with their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cc {
    O = 0,
    No = 1,
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    Ns = 9,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cc {
    const ALL: [Cc; 16] = [
        Cc::O,
        Cc::No,
        Cc::B,
        Cc::Ae,
        Cc::E,
        Cc::Ne,
        Cc::Be,
        Cc::A,
        Cc::S,
        Cc::Ns,
        Cc::P,
        Cc::Np,
        Cc::L,
        Cc::Ge,
        Cc::Le,
        Cc::G,
    ];

    /// The code that holds exactly when this one does not.
    pub(crate) fn negate(self) -> Self {
        Self::ALL[(self as usize) ^ 1]
    }
}
