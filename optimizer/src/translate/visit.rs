//! The visitor that forwards wasmparser's operators to the handlers in [`op`](crate::op).
//!
//! It has the one list of supported proposals, a line for each. A new proposal gets a line here and
//! handlers there; until then its operators are refused by name.

use wasmparser::{
    VisitOperator, VisitSimdOperator, for_each_visit_operator, for_each_visit_simd_operator,
};

use super::{TranslateError, Translator};

/// Forwards operators to a translator.
pub(crate) struct Forward<'t, 'a>(pub(crate) &'t mut Translator<'a>);

macro_rules! forward {
    // Structured control flow is followed in unreachable code too, to find its end.
    (@one mvp $op:ident visit_block $args:tt) => { forward!(@structured visit_block $args); };
    (@one mvp $op:ident visit_loop $args:tt) => { forward!(@structured visit_loop $args); };
    (@one mvp $op:ident visit_if $args:tt) => { forward!(@structured visit_if $args); };
    (@one mvp $op:ident visit_else $args:tt) => { forward!(@structured visit_else $args); };
    (@one mvp $op:ident visit_end $args:tt) => { forward!(@structured visit_end $args); };
    (@one exceptions $op:ident visit_try_table $args:tt) => {
        forward!(@structured visit_try_table $args);
    };
    (@one legacy_exceptions $op:ident visit_try $args:tt) => {
        forward!(@structured visit_try $args);
    };
    (@one legacy_exceptions $op:ident visit_catch $args:tt) => {
        forward!(@structured visit_catch $args);
    };
    (@one legacy_exceptions $op:ident visit_catch_all $args:tt) => {
        forward!(@structured visit_catch_all $args);
    };
    (@one legacy_exceptions $op:ident visit_delegate $args:tt) => {
        forward!(@structured visit_delegate $args);
    };
    // Validation accepts it with one type only, and then it is `visit_typed_select`.
    (@one reference_types $op:ident visit_typed_select_multi $args:tt) => {
        forward!(@refused $op visit_typed_select_multi $args);
    };

    // The callee may be translated in place.
    (@one mvp $op:ident visit_call $args:tt) => { forward!(@fallible visit_call $args); };
    (@one mvp $op:ident visit_call_indirect $args:tt) => {
        forward!(@fallible visit_call_indirect $args);
    };
    (@one function_references $op:ident visit_call_ref $args:tt) => {
        forward!(@fallible visit_call_ref $args);
    };

    (@one mvp $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one sign_extension $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one saturating_float_to_int $op:ident $visit:ident $args:tt) => {
        forward!(@plain $visit $args);
    };
    (@one bulk_memory $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one reference_types $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one tail_call $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one simd $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one relaxed_simd $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one function_references $op:ident $visit:ident $args:tt) => {
        forward!(@plain $visit $args);
    };
    (@one exceptions $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one legacy_exceptions $op:ident $visit:ident $args:tt) => {
        forward!(@plain $visit $args);
    };
    (@one threads $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one wide_arithmetic $op:ident $visit:ident $args:tt) => { forward!(@plain $visit $args); };
    (@one $proposal:ident $op:ident $visit:ident $args:tt) => {
        forward!(@refused $op $visit $args);
    };

    (@structured $visit:ident ($($arg:ident: $ty:ty),*)) => {
        fn $visit(&mut self, $($arg: $ty),*) -> Self::Output {
            self.0.$visit($($arg),*)
        }
    };
    (@fallible $visit:ident ($($arg:ident: $ty:ty),*)) => {
        fn $visit(&mut self, $($arg: $ty),*) -> Self::Output {
            match self.0.control.is_reachable() {
                true => self.0.$visit($($arg),*),
                false => Ok(()),
            }
        }
    };
    (@plain $visit:ident ($($arg:ident: $ty:ty),*)) => {
        fn $visit(&mut self, $($arg: $ty),*) -> Self::Output {
            if self.0.control.is_reachable() {
                self.0.$visit($($arg),*);
            }
            Ok(())
        }
    };
    (@refused $op:ident $visit:ident ($($arg:ident: $ty:ty),*)) => {
        fn $visit(&mut self, $(_: $ty),*) -> Self::Output {
            Err(TranslateError::Unsupported(stringify!($op)))
        }
    };

    ($(
        @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })?
            => $visit:ident ($($ann:tt)*)
    )*) => {
        $( forward!(@one $proposal $op $visit ($($($arg: $ty),*)?)); )*
    };
}

impl<'a> VisitOperator<'a> for Forward<'_, '_> {
    type Output = Result<(), TranslateError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    for_each_visit_operator!(forward);
}

impl<'a> VisitSimdOperator<'a> for Forward<'_, '_> {
    for_each_visit_simd_operator!(forward);
}
