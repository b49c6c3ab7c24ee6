//! The visitors that forward wasmparser's operators to the handlers, with or without validation.
//!
//! Both visitors are made from one list. [`Trusting`] compiles bodies that were validated before
//! and pays nothing for the possibility; [`Validating`] asks wasmparser's validator first. Handlers
//! run only in reachable code, except for those that open and close blocks.

use wasmparser::{
    BinaryReaderError, FrameKind, FrameStack, FuncValidator, ValidatorResources, VisitOperator,
    VisitSimdOperator,
};

use crate::func_gen::FuncGen;

/// Compiles valid operators.
pub(crate) struct Trusting<'f, 'a> {
    pub(crate) generator: &'f mut FuncGen<'a>,
}

/// Validates and compiles.
pub(crate) struct Validating<'f, 'a> {
    pub(crate) generator: &'f mut FuncGen<'a>,
    pub(crate) validator: &'f mut FuncValidator<ValidatorResources>,
}

/// Calls an operator's handler if it is of a supported proposal; one line for each of those.
macro_rules! handle {
    ($generator:expr; mvp $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; sign_extension $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; saturating_float_to_int $($call:tt)*) => {
        handle!(@run $generator; $($call)*)
    };
    ($generator:expr; bulk_memory $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; reference_types TypedSelectMulti $($call:tt)*) => { refuse($generator) };
    ($generator:expr; reference_types $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; tail_call $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; simd $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; relaxed_simd $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; function_references $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; threads $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; wide_arithmetic $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; exceptions $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; legacy_exceptions $($call:tt)*) => { handle!(@run $generator; $($call)*) };
    ($generator:expr; $unsupported:ident $($call:tt)*) => { refuse($generator) };
    // What opens and closes blocks keeps track of nesting in dead code, too.
    (@run $generator:expr; Block $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; Loop $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; If $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; Else $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; End $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; TryTable $call:ident($($arg:ident),*)) => {
        $generator.$call($($arg),*)
    };
    (@run $generator:expr; Try $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; Catch $call:ident($($arg:ident),*)) => { $generator.$call($($arg),*) };
    (@run $generator:expr; CatchAll $call:ident($($arg:ident),*)) => {
        $generator.$call($($arg),*)
    };
    (@run $generator:expr; Delegate $call:ident($($arg:ident),*)) => {
        $generator.$call($($arg),*)
    };
    (@run $generator:expr; $op:ident $call:ident($($arg:ident),*)) => {
        if $generator.cursor.reachable {
            $generator.$call($($arg),*)
        }
    };
}

/// An operator of an unsupported proposal: validation has refused it before it gets here.
#[cold]
fn refuse(_: &mut FuncGen<'_>) {
    unreachable!("operators of unsupported proposals are not valid");
}

macro_rules! trusting {
    ($(
        @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })?
            => $visit:ident ($($ann:tt)*)
    )*) => {$(
        #[allow(unused_variables)]
        fn $visit(&mut self $($(, $arg: $argty)*)?) {
            handle!(self.generator; $proposal $op $visit($($($arg),*)?));
        }
    )*};
}

macro_rules! validating_by {
    ($visitor:ident: $(
        @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })?
            => $visit:ident ($($ann:tt)*)
    )*) => {$(
        #[allow(unused_variables)]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
            let at = u64::from(self.generator.cursor.pos);
            self.validator.$visitor(at).$visit($($($arg.clone()),*)?)?;
            handle!(self.generator; $proposal $op $visit($($($arg),*)?));
            Ok(())
        }
    )*};
}

macro_rules! validating {
    ($($list:tt)*) => { validating_by!(visitor: $($list)*); };
}

macro_rules! validating_simd {
    ($($list:tt)*) => { validating_by!(simd_visitor: $($list)*); };
}

impl<'a> VisitOperator<'a> for Trusting<'_, 'a> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(trusting);
}

impl<'a> VisitSimdOperator<'a> for Trusting<'_, 'a> {
    wasmparser::for_each_visit_simd_operator!(trusting);
}

impl<'a> VisitOperator<'a> for Validating<'_, 'a> {
    type Output = Result<(), BinaryReaderError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(validating);
}

impl<'a> VisitSimdOperator<'a> for Validating<'_, 'a> {
    wasmparser::for_each_visit_simd_operator!(validating_simd);
}

impl FrameStack for Trusting<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.generator
            .labels
            .last()
            .map(|control| control.frame_kind())
    }
}

impl FrameStack for Validating<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.generator
            .labels
            .last()
            .map(|control| control.frame_kind())
    }
}
