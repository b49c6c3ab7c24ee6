//! Instrumentation: the code that counts, and that reports calls and probes to the runtime.
//!
//! What is reported is part of the code, so it has the exact values of its place, and the code
//! around it is translated as that around any call: inlined functions report what they would report
//! if they were called. The call itself is in cold code, which is not gone to while the store does
//! not want to know anything.

use cranelift_codegen::ir::{InstBuilder, SourceLoc, Value, types};
use upshift_abi::observe::{self, Action, Cursor, FuncPlan, Site};
use upshift_abi::vmctx::{VmContext, VmStore, VmVal};
use upshift_abi::{Builtin, CompileUnit, DefinedFuncIndex, ValType, WasmOffset};
use wasmparser::FunctionBody;

use super::{Region, TranslateError, Translator, fixed, trusted};
use crate::signature::POINTER;

/// Bytes of a value that is passed to the runtime.
const VALUE_BYTES: u32 = size_of::<VmVal>() as u32;

impl<'a> Translator<'a> {
    /// What a function reports.
    fn plan(&self, func: DefinedFuncIndex) -> Option<&'a FuncPlan> {
        let facts = self.env.facts;
        facts.observed.as_ref().map(|plan| plan.of(func))
    }

    fn is_listened_to(&self, func: DefinedFuncIndex) -> bool {
        self.plan(func).is_some_and(|plan| plan.listener.is_some())
    }

    /// The function that the current operator is in: the one that is compiled, or a copy's.
    fn observed_func(&self) -> DefinedFuncIndex {
        self.inlining.func().unwrap_or_else(|| self.env.func())
    }

    /// What the operators of the function that is about to be translated report.
    pub(super) fn sites(&self) -> Cursor<'a> {
        let plan = self.plan(self.observed_func());
        plan.map(FuncPlan::cursor).unwrap_or_default()
    }

    /// The arguments of the function that is compiled, in its entry block.
    pub(super) fn own_arguments(&self) -> Vec<Value> {
        let entry = self.builder.current_block().expect("in the entry block");
        let params = self.builder.block_params(entry);
        let first = 1 + usize::from(self.result_area.is_some());
        params[first..].to_vec()
    }

    /// Reports that the function begins whose body is about to be translated, with its arguments.
    /// `at` is where the body's source locations begin.
    pub(super) fn report_call(
        &mut self,
        body: &FunctionBody<'_>,
        at: WasmOffset,
        args: &[Value],
    ) -> Result<(), TranslateError> {
        let func = self.observed_func();
        if !self.is_listened_to(func) {
            return Ok(());
        }
        let first = body.get_operators_reader()?.original_position() as u32;
        let offset = first - body.range().start as u32;
        self.builder.set_srcloc(SourceLoc::new(at.0 + offset));
        self.position = WasmOffset(first);
        // One of them is this call itself.
        let around = self.calls_around(self.control.depth()) - 1;
        self.report(Builtin::CallBegins, &[func.0, around], Some(args));
        Ok(())
    }

    /// Reports that the current function returns the uppermost operands, if it is listened to.
    pub(crate) fn report_return(&mut self) {
        let func = self.observed_func();
        if !self.is_listened_to(func) {
            return;
        }
        let count = self.env.facts.defined_func_type(func).results.len();
        let results = self.peek(count).to_vec();
        self.report(Builtin::CallReturns, &[func.0], Some(&results));
    }

    /// At a handler: reports the end of all calls that have begun inside of what it belongs to.
    pub(crate) fn report_unwinding(&mut self) {
        if self.env.facts.observed.is_some() {
            let calls = self.calls_around(self.control.depth());
            self.report(Builtin::CallsAreUnwound, &[calls], None);
        }
    }

    /// In front of a branch to a label, given by its place in the control stack, that a throw has
    /// become: reports the end of the calls that it leaves.
    pub(crate) fn report_thrown_to(&mut self, label: usize) {
        if self.env.facts.observed.is_some() {
            let around = self.calls_around(label + 1);
            if around != self.calls_around(self.control.depth()) {
                self.report(Builtin::CallsAreUnwound, &[around], None);
            }
        }
    }

    /// Calls that are listened to and have begun in this function's frame, in which a place with so
    /// many control frames around it lies. An OSR entry's own call has begun in the baseline's.
    fn calls_around(&self, frames: usize) -> u32 {
        let own = self.env.unit() == CompileUnit::Function && self.is_listened_to(self.env.func());
        let copies = self.inlining.funcs_around(frames);
        let copies = copies.filter(|&func| self.is_listened_to(func)).count();
        u32::from(own) + copies as u32
    }

    /// Does what is to be done in front of an operator.
    pub(super) fn observe(&mut self, sites: &[Site]) {
        if !self.control.is_reachable() {
            return;
        }
        let func = self.observed_func();
        for site in sites {
            match site.action {
                Action::Count(counter) => self.count(counter),
                Action::CountTarget { first, count } => self.count_target(first, count),
                Action::TailCall => self.report(Builtin::CallIsReplaced, &[func.0], None),
                Action::Probe { operand, .. } => self.probe(func, site, operand),
            }
        }
    }

    fn count(&mut self, counter: u32) {
        let Some(counters) = self.env.facts.layout.counters() else {
            return;
        };
        let flags = fixed(self.builder.func, Region::Context);
        let vmctx = self.vmctx;
        let cells = self.ins().load(POINTER, flags, vmctx, counters.disp());
        self.add_one(cells, observe::counter_offset(counter));
    }

    fn add_one(&mut self, cells: Value, cell: i32) {
        let flags = trusted(self.builder.func, Region::Counters);
        let before = self.ins().load(types::I64, flags, cells, cell);
        let after = self.ins().iadd_imm_s(before, 1);
        self.ins().store(flags, after, cells, cell);
    }

    /// Counts the target that the topmost operand chooses.
    fn count_target(&mut self, first: u32, count: u32) {
        let Some(counters) = self.env.facts.layout.counters() else {
            return;
        };
        let Some(&index) = self.stack.last() else {
            return;
        };
        let last = self.ins().iconst(types::I32, i64::from(count - 1));
        let target = self.ins().umin(index, last);
        let target = self.ins().uextend(types::I64, target);
        let offset = self.ins().ishl_imm_s(target, 3);
        let flags = fixed(self.builder.func, Region::Context);
        let vmctx = self.vmctx;
        let cells = self.ins().load(POINTER, flags, vmctx, counters.disp());
        let cells = self.ins().iadd(cells, offset);
        self.add_one(cells, observe::counter_offset(first));
    }

    fn probe(&mut self, func: DefinedFuncIndex, site: &Site, operand: Option<ValType>) {
        let operand = operand.and_then(|_| self.stack.last().copied());
        let number = self.plan(func).map_or(0, |plan| plan.number_of(site));
        let numbers = [func.0, number];
        self.report(Builtin::ProbeReached, &numbers, Some(operand.as_slice()));
    }

    /// Stores values where the runtime reads them, in a slot that is free until the next call;
    /// returns their address.
    fn pass_values(&mut self, values: &[Value]) -> Value {
        if values.is_empty() {
            return self.ins().iconst(POINTER, 0);
        }
        let size = VALUE_BYTES * values.len() as u32;
        let slot = self.env.result_slot(self.builder.func, size);
        for (index, &value) in values.iter().enumerate() {
            let offset = VALUE_BYTES as i32 * index as i32;
            self.ins().stack_store(POINTER, value, slot, offset);
        }
        self.meter.operands += values.len();
        self.ins().stack_addr(POINTER, slot, 0)
    }

    /// If the store wants to know anything, calls a builtin with numbers and, if it takes values,
    /// their address.
    fn report(&mut self, builtin: Builtin, numbers: &[u32], values: Option<&[Value]>) {
        let vmctx = self.vmctx;
        let flags = fixed(self.builder.func, Region::Context);
        let store = VmContext::STORE.disp();
        let store = self.ins().load(POINTER, flags, vmctx, store);
        let flags = trusted(self.builder.func, Region::Observing);
        let observing = VmStore::OBSERVING.disp();
        let observing = self.ins().load(types::I32, flags, store, observing);
        let [call, next] = [(); 2].map(|()| self.builder.create_block());
        self.ins().brif(observing, call, &[], next, &[]);
        self.builder.seal_block(call);
        self.builder.set_cold_block(call);
        self.builder.switch_to_block(call);
        let number = |&number| self.builder.ins().iconst(types::I32, i64::from(number));
        let mut args: Vec<Value> = numbers.iter().map(number).collect();
        if let Some(values) = values {
            args.push(self.pass_values(values));
        }
        self.call_builtin(builtin, &args);
        self.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }
}
