//! Vectors: an array that the C program owns, and its length.
//!
//! Arrays come from `malloc`, so that a program may write a smaller length before it deletes the
//! vector, as programs do that read less than they had room for.

use std::mem::MaybeUninit;

use crate::given;

/// A vector of the C API: owns its array and the elements.
#[repr(C)]
pub(crate) struct Vector<T> {
    size: usize,
    /// NULL if there are no elements.
    data: *mut T,
}

impl<T> Vector<T> {
    pub(crate) const fn empty() -> Self {
        Self {
            size: 0,
            data: std::ptr::null_mut(),
        }
    }

    /// A vector of zeroed elements.
    ///
    /// # Safety
    ///
    /// Zeros are a valid `T`.
    unsafe fn zeroed(size: usize) -> Self {
        if size == 0 {
            return Self::empty();
        }
        // SAFETY: no requirement.
        let data = unsafe { libc::calloc(size, size_of::<T>()) };
        assert!(
            !data.is_null(),
            "out of memory for a vector of {size} elements"
        );
        Self {
            size,
            data: data.cast(),
        }
    }

    pub(crate) fn from_vec(elements: Vec<T>) -> Self {
        if elements.is_empty() {
            return Self::empty();
        }
        // SAFETY: no requirement.
        let data: *mut T = unsafe { libc::calloc(elements.len(), size_of::<T>()) }.cast();
        assert!(!data.is_null(), "out of memory for a vector");
        let size = elements.len();
        for (index, element) in elements.into_iter().enumerate() {
            // SAFETY: the array has room for all elements, and `malloc` aligns for any of them.
            unsafe { data.add(index).write(element) };
        }
        Self { size, data }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match self.size {
            0 => &[],
            // SAFETY: a vector's array has `size` elements.
            size => unsafe { std::slice::from_raw_parts(self.data, size) },
        }
    }

    /// The array as room for elements that may be uninitialized, as in a vector for results that
    /// the caller has on its stack. What was there is not dropped.
    pub(crate) fn as_uninit_slice(&mut self) -> &mut [MaybeUninit<T>] {
        match self.size {
            0 => &mut [],
            // SAFETY: a vector's array has room for `size` elements.
            size => unsafe { std::slice::from_raw_parts_mut(self.data.cast(), size) },
        }
    }

    /// A vector over elements that others own: it must not be dropped.
    pub(crate) fn borrowed(elements: &mut [T]) -> std::mem::ManuallyDrop<Self> {
        std::mem::ManuallyDrop::new(Self {
            size: elements.len(),
            data: elements.as_mut_ptr(),
        })
    }

    /// Moves the elements out, and leaves an empty vector.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::empty())
    }
}

impl<T: Clone> Clone for Vector<T> {
    fn clone(&self) -> Self {
        Self::from_vec(self.as_slice().to_vec())
    }
}

impl<T> Drop for Vector<T> {
    fn drop(&mut self) {
        let elements = std::ptr::slice_from_raw_parts_mut(self.data, self.size);
        if !self.data.is_null() {
            // SAFETY: the vector owns the elements and the array, which came from `malloc`.
            unsafe {
                elements.drop_in_place();
                libc::free(self.data.cast());
            }
        }
    }
}

/// An argument for a vector that the function makes: not initialized yet.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Writes what a function returns through its argument `out`.
#[track_caller]
pub(crate) fn put<T>(out: Out<'_, T>, value: T) {
    given(out, "out").write(value);
}

/// A vector of bytes; a name, if they are UTF-8.
pub(crate) type Bytes = Vector<u8>;

impl Bytes {
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        // SAFETY: zero is a byte.
        let mut copy = unsafe { Self::zeroed(bytes.len()) };
        copy.as_uninit_slice().write_copy_of_slice(bytes);
        copy
    }

    /// Text as the C API returns it: with a NUL behind, which is counted.
    pub(crate) fn from_text(text: &str) -> Self {
        Self::from_slice(&[text.as_bytes(), &[0]].concat())
    }
}

/// Defines the functions of one type of vectors, `wasm_NAME_vec_*`.
///
/// Zeros must be valid elements: for pointers they are NULL, for values the number 0.
macro_rules! vector_functions {
    ($($module:ident $name:literal $element:ty;)*) => {$(
        mod $module {
            use super::*;

            #[unsafe(export_name = concat!("wasm_", $name, "_vec_new_empty"))]
            extern "C" fn new_empty(out: Out<'_, Vector<$element>>) {
                put(out, Vector::empty());
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_vec_new_uninitialized"))]
            extern "C" fn new_uninitialized(out: Out<'_, Vector<$element>>, size: usize) {
                // SAFETY: the macro's condition.
                put(out, unsafe { Vector::zeroed(size) });
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_vec_new"))]
            unsafe extern "C" fn new(
                out: Out<'_, Vector<$element>>,
                size: usize,
                elements: *const $element,
            ) {
                assert!(size == 0 || !elements.is_null(), "the elements of a vector are NULL");
                // SAFETY: the macro's condition.
                let mut vector: Vector<$element> = unsafe { Vector::zeroed(size) };
                for (index, room) in vector.as_uninit_slice().iter_mut().enumerate() {
                    // SAFETY: the caller passes `size` elements, and gives them away. What they
                    // overwrite is zero, and owns nothing.
                    room.write(unsafe { elements.add(index).read() });
                }
                put(out, vector);
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_vec_copy"))]
            extern "C" fn copy(
                out: Out<'_, Vector<$element>>,
                vector: Option<&Vector<$element>>,
            ) {
                put(out, given(vector, "vector").clone());
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_vec_delete"))]
            extern "C" fn delete(vector: Option<&mut Vector<$element>>) {
                // A second deletion finds an empty vector.
                drop(vector.map(Vector::take));
            }
        }
    )*};
}

use crate::import::{wasm_exporttype_t, wasm_importtype_t};
use crate::refs::wasm_ref_t;
use crate::trap::wasm_frame_t;
use crate::types::{wasm_externtype_t, wasm_valtype_t};
use crate::value::wasm_val_t;

vector_functions! {
    bytes "byte" u8;
    valtypes "valtype" Option<Box<wasm_valtype_t>>;
    functypes "functype" Option<Box<wasm_externtype_t>>;
    globaltypes "globaltype" Option<Box<wasm_externtype_t>>;
    tabletypes "tabletype" Option<Box<wasm_externtype_t>>;
    memorytypes "memorytype" Option<Box<wasm_externtype_t>>;
    tagtypes "tagtype" Option<Box<wasm_externtype_t>>;
    externtypes "externtype" Option<Box<wasm_externtype_t>>;
    importtypes "importtype" Option<Box<wasm_importtype_t>>;
    exporttypes "exporttype" Option<Box<wasm_exporttype_t>>;
    values "val" wasm_val_t;
    frames "frame" Option<Box<wasm_frame_t>>;
    externs "extern" Option<Box<wasm_ref_t>>;
}
