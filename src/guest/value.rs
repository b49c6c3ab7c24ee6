//! Values with a layout in a module's memory, and their addresses.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::V128;

/// A value as C lays it out in a module's memory, where numbers are little-endian.
///
/// Any bytes are a value: what a module has written is read without a check.
pub trait GuestValue: Sized {
    /// The number of bytes.
    const SIZE: usize;
    /// What the address is a multiple of.
    const ALIGN: usize;

    /// The value of these bytes.
    ///
    /// # Panics
    ///
    /// If there are fewer than [`SIZE`](Self::SIZE).
    fn read(bytes: &[u8]) -> Self;

    /// Writes the value's bytes; padding is left as it is.
    ///
    /// # Panics
    ///
    /// If there is room for fewer than [`SIZE`](Self::SIZE).
    fn write(&self, bytes: &mut [u8]);

    /// Reads as many values as there is room for.
    ///
    /// # Panics
    ///
    /// If there are fewer bytes than these values have.
    fn read_all(bytes: &[u8], values: &mut [Self]) {
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(Self::SIZE.max(1))) {
            *value = Self::read(bytes);
        }
    }

    /// Writes all values.
    ///
    /// # Panics
    ///
    /// If there is too little room.
    fn write_all(values: &[Self], bytes: &mut [u8]) {
        for (value, bytes) in values.iter().zip(bytes.chunks_exact_mut(Self::SIZE.max(1))) {
            value.write(bytes);
        }
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl GuestValue for $number {
            const SIZE: usize = size_of::<$number>();
            const ALIGN: usize = size_of::<$number>();

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let bytes = bytes[..Self::SIZE].try_into();
                Self::from_le_bytes(bytes.expect("the slice has this length"))
            }

            #[inline]
            fn write(&self, bytes: &mut [u8]) {
                bytes[..Self::SIZE].copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

numbers!(i8 i16 u16 i32 u32 i64 u64 f32 f64);

impl GuestValue for u8 {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn read(bytes: &[u8]) -> Self {
        bytes[0]
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes[0] = *self;
    }

    fn read_all(bytes: &[u8], values: &mut [Self]) {
        values.copy_from_slice(&bytes[..values.len()]);
    }

    fn write_all(values: &[Self], bytes: &mut [u8]) {
        bytes[..values.len()].copy_from_slice(values);
    }
}

impl GuestValue for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes[0] = u8::from(*self);
    }
}

impl GuestValue for V128 {
    const SIZE: usize = 16;
    const ALIGN: usize = 16;

    fn read(bytes: &[u8]) -> Self {
        let bytes: [u8; 16] = bytes[..16].try_into().expect("the slice has this length");
        bytes.into()
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes[..16].copy_from_slice(&<[u8; 16]>::from(*self));
    }
}

impl<T: GuestValue, const N: usize> GuestValue for [T; N] {
    const SIZE: usize = N * T::SIZE;
    const ALIGN: usize = T::ALIGN;

    fn read(bytes: &[u8]) -> Self {
        std::array::from_fn(|index| T::read(&bytes[index * T::SIZE..]))
    }

    fn write(&self, bytes: &mut [u8]) {
        T::write_all(self, &mut bytes[..Self::SIZE]);
    }
}

/// An address in a module's memory, of a `T` if the module keeps to its own types.
///
/// It is a number: checked whenever it is used, and without a lifetime, as what it leads to is the
/// module's.
pub struct Ptr<T> {
    address: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Ptr<T> {
    /// The address that C calls null.
    pub const NULL: Self = Self::at(0);

    /// The address with this number.
    pub const fn at(address: u32) -> Self {
        Self {
            address,
            of: PhantomData,
        }
    }

    /// The number.
    pub const fn address(self) -> u32 {
        self.address
    }

    /// Whether it is null.
    pub const fn is_null(self) -> bool {
        self.address == 0
    }

    /// The same address, of something else.
    pub const fn cast<U>(self) -> Ptr<U> {
        Ptr::at(self.address)
    }
}

impl<T: GuestValue> Ptr<T> {
    /// The address of the element with this number in an array; it wraps around at the end of the
    /// address space, as in C.
    pub const fn element(self, index: u32) -> Self {
        Self::at(
            self.address
                .wrapping_add(index.wrapping_mul(T::SIZE as u32)),
        )
    }
}

impl<T> GuestValue for Ptr<T> {
    const SIZE: usize = 4;
    const ALIGN: usize = 4;

    fn read(bytes: &[u8]) -> Self {
        Self::at(u32::read(bytes))
    }

    fn write(&self, bytes: &mut [u8]) {
        self.address.write(bytes);
    }
}

// Derived implementations would ask the same of `T`.
impl<T> Clone for Ptr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ptr<T> {}

impl<T> Default for Ptr<T> {
    fn default() -> Self {
        Self::NULL
    }
}

impl<T> PartialEq for Ptr<T> {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl<T> Eq for Ptr<T> {}

impl<T> Hash for Ptr<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

impl<T> fmt::Debug for Ptr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ptr({:#x})", self.address)
    }
}
