//! One handler per WebAssembly operator, in files by group.
//!
//! Handlers are named as wasmparser's visitor names them and run in reachable code only, except
//! those of structured control flow.

/// Handlers that pop one value and push the CLIF instruction's result.
macro_rules! unary {
    ($($visit:ident => $clif:ident $($ty:ident)?;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let a = self.pop();
            let result = self.ins().$clif($(types::$ty,)? a);
            self.push(result);
        }
    )*};
}

/// Handlers that pop two values and push the CLIF instruction's result.
macro_rules! binary {
    ($($visit:ident => $clif:ident;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let result = self.ins().$clif(a, b);
            self.push(result);
        }
    )*};
}

/// Handlers that compare two values: CLIF's comparisons yield a byte, WebAssembly's an `i32`.
macro_rules! compare {
    ($($visit:ident => $clif:ident $condition:expr;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let holds = self.ins().$clif($condition, a, b);
            let result = self.ins().uextend(types::I32, holds);
            self.push(result);
        }
    )*};
}

mod atomic;
mod bulk;
mod call;
mod control;
mod convert;
mod exception;
mod float;
mod int;
mod memory;
mod reference;
mod table;
mod variable;
mod vector;
mod wide;
