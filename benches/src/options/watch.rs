//! What instruments ask for, and the observer that is told.

use upshift::observe::{InstrumentedFunc, Observer, OperatorKind};

/// Is told everything, and does nothing.
pub(super) struct Silent;

impl<T: Send + 'static> Observer<T> for Silent {}

pub(super) fn nothing(_: &mut InstrumentedFunc<'_>) {}

pub(super) fn blocks(func: &mut InstrumentedFunc<'_>) {
    for block in func.blocks() {
        func.count_block(block);
    }
}

pub(super) fn coverage(func: &mut InstrumentedFunc<'_>) {
    blocks(func);
    for &operator in &*func.operators() {
        func.count_branch(operator);
    }
}

pub(super) fn calls(func: &mut InstrumentedFunc<'_>) {
    func.listen(0);
}

/// Probes the beginning of each iteration.
pub(super) fn loops(func: &mut InstrumentedFunc<'_>) {
    for &operator in &*func.operators() {
        if operator.kind() == OperatorKind::Loop {
            func.probe(operator.offset(), 0);
        }
    }
}
