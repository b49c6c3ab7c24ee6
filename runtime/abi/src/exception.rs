//! Exceptions, as generated code sees them: their layout in memory, and how they travel.
//!
//! An exception is an object of the store: a [header](VmException), then the values that it was
//! thrown with, one or two words each ([`fields`]). It never moves, and is freed when nothing
//! refers to it; an `exnref` is its address. Its tag is a word that belongs to one tag of the store
//! and that each instance keeps, for each of its tags, in its context
//! ([`VmLayout::tag`](crate::vmctx::VmLayout::tag)): tags are the same exactly if their words are.
//!
//! # Throwing
//!
//! `throw` gets an object ([`Builtin::ExceptionNew`](crate::Builtin::ExceptionNew)) and fills it.
//! Where the function that throws has clauses around the instruction, its code goes to them like to
//! any other label ([`throw`](crate::throw) says to which). Elsewhere it calls
//! [`Builtin::Throw`](crate::Builtin::Throw), which walks the stack to the innermost call that has
//! a handler (see [`sites`](crate::sites)) and never returns. Code in which nothing throws does
//! nothing for it: handlers are found by return addresses.
//!
//! # Catching
//!
//! The handler of a call gets the address of the exception. It compares the tag with those of the
//! clauses around the call, innermost first, and either loads the values and branches, or throws
//! the exception on. `delegate` only means that the clauses of some blocks are left out.
//!
//! # The older form
//!
//! In a `catch` or `catch_all` block of the older form of the proposal, `rethrow` may throw the
//! caught exception again. So **both compilers keep its address as an operand of kind
//! [`Ref`](crate::kind::Kind::Ref), the lowest of the block's own,** below the values of the
//! clause. Validation knows nothing of it; it counts in the home slots of the frame, and it is
//! dropped where the block ends.

use std::mem::{offset_of, size_of};

use crate::kind::{Kind, WORD_BYTES};
use crate::types::ValType;
use crate::vmctx::VmOffset;

/// The header of an exception, in front of its values.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct VmException {
    /// The tag's word.
    pub tag: usize,
    /// The words of the values.
    pub words: u32,
    /// The runtime's own.
    pub state: u32,
}

impl VmException {
    /// Offset of `tag` in `VmException`.
    pub const TAG: VmOffset = VmOffset(offset_of!(VmException, tag) as u32);
    /// Offset of the first value.
    pub const VALUES: VmOffset = VmOffset(size_of::<VmException>() as u32);
}

/// The values of an exception with these types: the kind of each, and its offset in the object.
///
/// Values are at multiples of a word, vectors too.
pub fn fields(types: &[ValType]) -> impl ExactSizeIterator<Item = (Kind, VmOffset)> + '_ {
    let mut end = VmException::VALUES.0;
    types.iter().map(move |ty| {
        let kind = ty.kind();
        let offset = VmOffset(end);
        end += kind.words() * WORD_BYTES;
        (kind, offset)
    })
}

/// The words that values of these types take.
pub fn words(types: &[ValType]) -> u32 {
    types.iter().map(|ty| ty.kind().words()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_each_other_in_words() {
        let types = [ValType::I32, ValType::V128, ValType::F64, ValType::EXNREF];
        let offsets: Vec<u32> = fields(&types).map(|(_, offset)| offset.0).collect();
        assert_eq!(offsets, [16, 24, 40, 48]);
        assert_eq!(words(&types), 5);
        assert_eq!(words(&[]), 0);
    }
}
