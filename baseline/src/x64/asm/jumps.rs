//! Jumps, labels, and the fields that wait for what they refer to.

use super::encode::Op;
use super::{Masm, Pos};
use crate::reg::Reg;
use crate::value::Cond;

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
pub(super) struct Fixup {
    at: Pos,
    base: Pos,
    next: u32,
}

/// A four-byte field between the sections, resolved when both lengths are known.
pub(super) struct LateFixup {
    pub(super) at: Pos,
    pub(super) base: Pos,
    pub(super) target: Pos,
}

/// The eight-bit displacement of a short forward jump, to be bound in the same section.
#[must_use]
pub(crate) struct ShortJump(usize);

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
    pub(super) const ALL: [Cc; 16] = [
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

impl Masm {
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

    pub(super) fn wait(&mut self, label: &mut Label, at: Pos, base: Pos) {
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
}
