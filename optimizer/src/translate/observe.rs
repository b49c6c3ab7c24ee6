//! Instrumentation: the code that counts, and that reports calls and probes to the runtime.
//!
//! What is reported is part of the code, so it has the exact values of its place, and the code
//! around it is translated as that around any call: inlined functions report what they would report
//! if they were called.

use cranelift_codegen::ir::{InstBuilder, SourceLoc, StackSlot, Value, types};
use upshift_abi::observe::{self, Action, Cursor, FuncPlan, Site};
use upshift_abi::vmctx::VmVal;
use upshift_abi::{Builtin, CompileUnit, DefinedFuncIndex, Kind, WasmOffset};
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
        let values = self.pass_values(args);
        self.report(Builtin::CallBegins, &[func.0], Some(values));
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
        let values = self.pass_values(&results);
        self.report(Builtin::CallReturns, &[func.0], Some(values));
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
        let flags = trusted(self.builder.func, Region::Counters);
        let cell = observe::counter_offset(counter);
        let before = self.ins().load(types::I64, flags, cells, cell);
        let after = self.ins().iadd_imm_s(before, 1);
        self.ins().store(flags, after, cells, cell);
    }

    fn probe(&mut self, func: DefinedFuncIndex, site: &Site, operand: Option<Kind>) {
        let operand = operand.and_then(|_| self.stack.last().copied());
        let values = self.pass_values(operand.as_slice());
        let number = self.plan(func).map_or(0, |plan| plan.number_of(site));
        self.report(Builtin::ProbeReached, &[func.0, number], Some(values));
    }

    /// Stores values where the runtime reads them, in a slot that is free until the next call.
    fn pass_values(&mut self, values: &[Value]) -> Option<StackSlot> {
        if values.is_empty() {
            return None;
        }
        let size = VALUE_BYTES * values.len() as u32;
        let slot = self.env.result_slot(self.builder.func, size);
        for (index, &value) in values.iter().enumerate() {
            let offset = VALUE_BYTES as i32 * index as i32;
            self.ins().stack_store(POINTER, value, slot, offset);
        }
        self.meter.operands += values.len();
        Some(slot)
    }

    /// Calls a builtin with numbers and, if it takes values, their address.
    fn report(&mut self, builtin: Builtin, numbers: &[u32], values: Option<Option<StackSlot>>) {
        let number = |&number| self.builder.ins().iconst(types::I32, i64::from(number));
        let mut args: Vec<Value> = numbers.iter().map(number).collect();
        if let Some(slot) = values {
            args.push(match slot {
                Some(slot) => self.ins().stack_addr(POINTER, slot, 0),
                None => self.ins().iconst(POINTER, 0),
            });
        }
        self.call_builtin(builtin, &args);
    }
}
