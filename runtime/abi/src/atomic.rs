//! The one list of atomic accesses of linear memory.
//!
//! Each row is an operator of the threads proposal that loads, stores or does both; the compilers
//! make their handlers from it. Fences, waiting and notifying are none of these.

/// Passes the table of atomic accesses to a macro: `for_each_atomic_access!(rows)` expands to
/// `rows! { … }`.
///
/// A row is `visit: Op, Kind, Width;`: the name of wasmparser's visit, an [`AtomicOp`], the
/// [`Kind`](crate::Kind) of the values and the [`AtomicWidth`] of the access.
#[macro_export]
macro_rules! for_each_atomic_access {
    ($rows:ident) => {
        $rows! {
            visit_i32_atomic_load: Load, I32, W32;
            visit_i64_atomic_load: Load, I64, W64;
            visit_i32_atomic_load8_u: Load, I32, W8;
            visit_i32_atomic_load16_u: Load, I32, W16;
            visit_i64_atomic_load8_u: Load, I64, W8;
            visit_i64_atomic_load16_u: Load, I64, W16;
            visit_i64_atomic_load32_u: Load, I64, W32;
            visit_i32_atomic_store: Store, I32, W32;
            visit_i64_atomic_store: Store, I64, W64;
            visit_i32_atomic_store8: Store, I32, W8;
            visit_i32_atomic_store16: Store, I32, W16;
            visit_i64_atomic_store8: Store, I64, W8;
            visit_i64_atomic_store16: Store, I64, W16;
            visit_i64_atomic_store32: Store, I64, W32;
            visit_i32_atomic_rmw_add: Add, I32, W32;
            visit_i64_atomic_rmw_add: Add, I64, W64;
            visit_i32_atomic_rmw8_add_u: Add, I32, W8;
            visit_i32_atomic_rmw16_add_u: Add, I32, W16;
            visit_i64_atomic_rmw8_add_u: Add, I64, W8;
            visit_i64_atomic_rmw16_add_u: Add, I64, W16;
            visit_i64_atomic_rmw32_add_u: Add, I64, W32;
            visit_i32_atomic_rmw_sub: Sub, I32, W32;
            visit_i64_atomic_rmw_sub: Sub, I64, W64;
            visit_i32_atomic_rmw8_sub_u: Sub, I32, W8;
            visit_i32_atomic_rmw16_sub_u: Sub, I32, W16;
            visit_i64_atomic_rmw8_sub_u: Sub, I64, W8;
            visit_i64_atomic_rmw16_sub_u: Sub, I64, W16;
            visit_i64_atomic_rmw32_sub_u: Sub, I64, W32;
            visit_i32_atomic_rmw_and: And, I32, W32;
            visit_i64_atomic_rmw_and: And, I64, W64;
            visit_i32_atomic_rmw8_and_u: And, I32, W8;
            visit_i32_atomic_rmw16_and_u: And, I32, W16;
            visit_i64_atomic_rmw8_and_u: And, I64, W8;
            visit_i64_atomic_rmw16_and_u: And, I64, W16;
            visit_i64_atomic_rmw32_and_u: And, I64, W32;
            visit_i32_atomic_rmw_or: Or, I32, W32;
            visit_i64_atomic_rmw_or: Or, I64, W64;
            visit_i32_atomic_rmw8_or_u: Or, I32, W8;
            visit_i32_atomic_rmw16_or_u: Or, I32, W16;
            visit_i64_atomic_rmw8_or_u: Or, I64, W8;
            visit_i64_atomic_rmw16_or_u: Or, I64, W16;
            visit_i64_atomic_rmw32_or_u: Or, I64, W32;
            visit_i32_atomic_rmw_xor: Xor, I32, W32;
            visit_i64_atomic_rmw_xor: Xor, I64, W64;
            visit_i32_atomic_rmw8_xor_u: Xor, I32, W8;
            visit_i32_atomic_rmw16_xor_u: Xor, I32, W16;
            visit_i64_atomic_rmw8_xor_u: Xor, I64, W8;
            visit_i64_atomic_rmw16_xor_u: Xor, I64, W16;
            visit_i64_atomic_rmw32_xor_u: Xor, I64, W32;
            visit_i32_atomic_rmw_xchg: Xchg, I32, W32;
            visit_i64_atomic_rmw_xchg: Xchg, I64, W64;
            visit_i32_atomic_rmw8_xchg_u: Xchg, I32, W8;
            visit_i32_atomic_rmw16_xchg_u: Xchg, I32, W16;
            visit_i64_atomic_rmw8_xchg_u: Xchg, I64, W8;
            visit_i64_atomic_rmw16_xchg_u: Xchg, I64, W16;
            visit_i64_atomic_rmw32_xchg_u: Xchg, I64, W32;
            visit_i32_atomic_rmw_cmpxchg: Cmpxchg, I32, W32;
            visit_i64_atomic_rmw_cmpxchg: Cmpxchg, I64, W64;
            visit_i32_atomic_rmw8_cmpxchg_u: Cmpxchg, I32, W8;
            visit_i32_atomic_rmw16_cmpxchg_u: Cmpxchg, I32, W16;
            visit_i64_atomic_rmw8_cmpxchg_u: Cmpxchg, I64, W8;
            visit_i64_atomic_rmw16_cmpxchg_u: Cmpxchg, I64, W16;
            visit_i64_atomic_rmw32_cmpxchg_u: Cmpxchg, I64, W32;
        }
    };
}

/// What an atomic access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    /// Loads.
    Load,
    /// Stores.
    Store,
    /// Adds a number; the result is what the memory contained, as for all that follow.
    Add,
    /// Subtracts a number.
    Sub,
    /// Intersects bits.
    And,
    /// Unites bits.
    Or,
    /// Inverts bits.
    Xor,
    /// Stores another value.
    Xchg,
    /// Stores another value if the memory contains the expected one, of whose bits as many are
    /// compared as the access has.
    Cmpxchg,
}

/// The size of an atomic access. A narrow one loads with zeros above, and stores the lowest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicWidth {
    /// One byte.
    W8,
    /// Two bytes.
    W16,
    /// Four bytes.
    W32,
    /// Eight bytes.
    W64,
}

impl AtomicWidth {
    /// The size in bytes, of which the address must be a multiple.
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    macro_rules! rows {
        ($($visit:ident: $op:ident, $kind:ident, $width:ident;)*) => {
            const ROWS: &[(&str, AtomicOp, Kind, AtomicWidth)] = &[$(
                (stringify!($visit), AtomicOp::$op, Kind::$kind, AtomicWidth::$width),
            )*];
        };
    }
    for_each_atomic_access!(rows);

    #[test]
    fn names_say_what_rows_do() {
        assert_eq!(ROWS.len(), 63);
        for &(name, op, kind, width) in ROWS {
            let bits = 8 * width.bytes();
            let (narrow, extended) = match (kind, bits) {
                (Kind::I32, 32) | (Kind::I64, 64) => (String::new(), ""),
                _ => (bits.to_string(), "_u"),
            };
            let op = match op {
                AtomicOp::Load => format!("load{narrow}{extended}"),
                AtomicOp::Store => format!("store{narrow}"),
                other => {
                    let op = format!("{other:?}").to_lowercase();
                    format!("rmw{narrow}_{op}{extended}")
                }
            };
            let kind = format!("{kind:?}").to_lowercase();
            assert_eq!(name, format!("visit_{kind}_atomic_{op}"));
        }
    }
}
