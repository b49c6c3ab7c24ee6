//! 128-bit vectors as embedders see them.

use std::fmt;

use upshift_abi::vmctx::VmVal;

/// The value of a `v128`: 128 bits, of which the least significant are the first lane's.
///
/// Functions with vectors among their parameters or results are called through an array of values:
/// a few nanoseconds more per call than with numbers alone.
///
/// ```
/// use upshift::V128;
///
/// let ones = V128::from([1u8; 16]);
/// assert_eq!(ones.as_u128(), 0x01010101_01010101_01010101_01010101);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V128([u64; 2]);

impl V128 {
    /// The bits as one number.
    pub fn as_u128(&self) -> u128 {
        let [low, high] = self.0;
        u128::from(high) << 64 | u128::from(low)
    }

    pub(crate) fn to_raw(self) -> VmVal {
        VmVal { bits: self.0 }
    }

    pub(crate) fn from_raw(raw: VmVal) -> Self {
        Self(raw.bits)
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> Self {
        Self([bits as u64, (bits >> 64) as u64])
    }
}

impl From<V128> for u128 {
    fn from(value: V128) -> Self {
        value.as_u128()
    }
}

impl From<[u8; 16]> for V128 {
    /// A vector from the bytes that it has in linear memory.
    fn from(bytes: [u8; 16]) -> Self {
        u128::from_le_bytes(bytes).into()
    }
}

impl From<V128> for [u8; 16] {
    /// The bytes that the vector has in linear memory.
    fn from(value: V128) -> Self {
        value.as_u128().to_le_bytes()
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V128({self})")
    }
}

/// As the number that the bits are, in hexadecimal: the last lane comes first.
impl fmt::Display for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.as_u128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_the_lowest() {
        let bytes: [u8; 16] = std::array::from_fn(|n| n as u8);
        let value = V128::from(bytes);
        assert_eq!(value.as_u128() as u8, 0);
        assert_eq!(
            value.to_raw().bits,
            [0x0706050403020100, 0x0f0e0d0c0b0a0908]
        );
        assert_eq!(V128::from_raw(value.to_raw()), value);
        assert_eq!(<[u8; 16]>::from(value), bytes);
        assert_eq!(value.to_string(), "0x0f0e0d0c0b0a09080706050403020100");
    }
}
