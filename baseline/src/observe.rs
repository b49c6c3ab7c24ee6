//! Instrumentation: the instructions that count, and that report calls and probes to the runtime.
//!
//! A report is a call between two operators: operands and locals are stored as for any call, and
//! values are passed in an array below the frame. What only the call needs is jumped over while the
//! store does not want to know anything. The end of a call is reported in the epilogue,
//! where all returns meet with the results in their registers; an OSR entry has reported it itself
//! when it returns there, so it comes in behind the report.

use upshift_abi::callconv::{INT_ARGS, ResultLocation};
use upshift_abi::frame;
use upshift_abi::observe::{self, Action, FuncPlan, Site};
use upshift_abi::vmctx::{VmContext, VmStore, VmVal};
use upshift_abi::{Builtin, Kind, RelocationTarget};

use crate::alloc::as_float;
use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::asm::{Cc, Label, Target, asm};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::{Cond, Value};

/// The place of a value that is passed to the runtime.
fn passed(index: usize) -> Mem {
    Mem::base(Reg::RSP, (index * size_of::<VmVal>()) as i32)
}

/// Bytes of so many values.
fn passed_bytes(count: usize) -> u32 {
    (count * size_of::<VmVal>()) as u32
}

impl<'a> FuncGen<'a> {
    /// What the function reports.
    fn plan(&self) -> Option<&'a FuncPlan> {
        let facts = self.input.facts;
        facts.observed.as_ref().map(|plan| plan.of(self.input.func))
    }

    /// Whether the function reports its calls.
    pub(crate) fn is_listened_to(&self) -> bool {
        self.plan().is_some_and(|plan| plan.listener.is_some())
    }

    /// Whether the function calls the runtime at operators.
    pub(crate) fn has_probes(&self) -> bool {
        self.plan().is_some_and(FuncPlan::has_probes)
    }

    /// Behind the prologue: reports that the function begins, with its arguments.
    pub(crate) fn report_call(&mut self) {
        if self.is_listened_to() {
            let kinds = self.input.sig.params.iter().enumerate();
            let args: Vec<Value> = kinds
                .map(|(local, &(kind, _))| Value::Local(kind, local as u32))
                .collect();
            let func = self.input.func.0;
            self.report(Builtin::CallBegins, &[func, 0], Some(&args));
        }
    }

    /// In the epilogue: reports that the function returns, with its results, and leaves them where
    /// they are.
    pub(crate) fn report_return(&mut self) {
        let sig = self.input.sig.clone();
        let bytes = passed_bytes(sig.results.len());
        self.frame.note_call();
        self.reload_vmctx();
        let not_observing = self.skip_unless_observing();
        self.emit_outgoing(bytes);
        for (i, &(kind, location)) in sig.results.iter().enumerate() {
            match location {
                ResultLocation::Int(reg) => self.store(kind, passed(i), reg.into()),
                ResultLocation::Float(reg) => self.store(kind, passed(i), reg.into()),
                ResultLocation::Area(offset) => {
                    let area = self.masm.scratch();
                    let place = Mem::base(Reg::RBP, frame::RESULT_AREA);
                    self.masm.rm(Op::MOV.wide(), area.reg(), place);
                    let from = Mem::base(area.reg(), offset as i32);
                    self.copy(as_float(kind), passed(i), from);
                }
            }
        }
        self.call_runtime(Builtin::CallReturns, &[self.input.func.0], true);
        for (i, &(kind, location)) in sig.results.iter().enumerate() {
            match location {
                ResultLocation::Int(reg) => self.load(kind, reg.into(), passed(i)),
                ResultLocation::Float(reg) => self.load(kind, reg.into(), passed(i)),
                ResultLocation::Area(_) => {}
            }
        }
        if bytes > 0 {
            asm!(self.masm; add rsp, bytes as i32);
        }
        self.masm.bind(not_observing);
    }

    /// At a landing, which has the exception in a register: reports that the calls below this frame
    /// have ended.
    pub(crate) fn report_unwinding(&mut self, exception: Reg) {
        if self.input.facts.observed.is_none() {
            return;
        }
        self.cmp_observing();
        let not_observing = self.masm.jcc_short(Cc::E);
        asm!(self.masm; push Rq(exception); sub rsp, 8);
        let own = u32::from(self.is_listened_to());
        self.call_runtime(Builtin::CallsAreUnwound, &[own], false);
        asm!(self.masm; add rsp, 8; pop Rq(exception));
        self.reload_vmctx();
        self.masm.bind_short(not_observing);
        self.check_kept_exception(exception);
    }

    /// Does what is to be done in front of the current operator.
    #[cold]
    pub(crate) fn observe(&mut self, sites: &[Site]) {
        if !self.cursor.reachable {
            return;
        }
        debug_assert!(!self.masm.flags_live, "comparisons stop at sites");
        let func = self.input.func.0;
        for site in sites {
            match site.action {
                Action::Count(counter) => self.count(counter),
                Action::CountTarget { first, count } => self.count_target(first, count),
                Action::TailCall => self.report(Builtin::CallIsReplaced, &[func], None),
                Action::Probe { operand, .. } => {
                    let operand = operand.and_then(|_| self.state.stack.last().copied());
                    let number = self.plan().map_or(0, |plan| plan.number_of(site));
                    let numbers = [func, number];
                    self.report(Builtin::ProbeReached, &numbers, Some(operand.as_slice()));
                }
            }
        }
    }

    fn count(&mut self, counter: u32) {
        let Some(counters) = self.input.facts.layout.counters() else {
            return;
        };
        let cells = self.masm.scratch();
        let pointer = Mem::base(Reg::VMCTX, counters.disp());
        self.masm.rm(Op::MOV.wide(), cells.reg(), pointer);
        let cell = Mem::base(cells.reg(), observe::counter_offset(counter));
        self.masm.sub_mem_imm(OperandSize::S64, cell, -1);
    }

    /// Counts the target that the topmost operand chooses.
    fn count_target(&mut self, first: u32, count: u32) {
        let Some(counters) = self.input.facts.layout.counters() else {
            return;
        };
        let Some(&index) = self.state.stack.last() else {
            return;
        };
        let last = count - 1;
        if let Value::Const(_, index) = index {
            return self.count(first + last.min(index as u32));
        }
        let scratch = self.masm.scratch();
        let cell = scratch.reg();
        // The upper half becomes zero.
        self.load_value(cell, index);
        self.masm.ri(Alu::Cmp, OperandSize::S32, cell, last as i32);
        let within = self.masm.jcc_short(Cc::B);
        self.load_value(cell, Value::Const(Kind::I32, last.into()));
        self.masm.bind_short(within);
        asm!(self.masm, scratch;
            shl scratch, 3
            ; add scratch, [rdi + counters.disp()]
        );
        let cell = Mem::base(cell, observe::counter_offset(first));
        self.masm.sub_mem_imm(OperandSize::S64, cell, -1);
    }

    /// Compares whether the store wants to know anything: equal if not.
    fn cmp_observing(&mut self) {
        let scratch = self.masm.scratch();
        let store = Mem::base(Reg::VMCTX, VmContext::STORE.disp());
        self.masm.rm(Op::MOV.wide(), scratch.reg(), store);
        let observing = Mem::base(scratch.reg(), VmStore::OBSERVING.disp());
        self.masm.cmp_mem_imm(OperandSize::S32, observing, 0);
    }

    /// Jumps to the label, which is to be bound behind the report, if the store does not want to
    /// know anything.
    fn skip_unless_observing(&mut self) -> Label {
        self.cmp_observing();
        let mut label = Label::new();
        let target = Target::Label(&mut label);
        self.masm.jump(Some(Cond::Cc(Cc::E)), target);
        label
    }

    /// Calls a builtin between two operators, with numbers and, if it takes values, their address.
    fn report(&mut self, builtin: Builtin, numbers: &[u32], values: Option<&[Value]>) {
        self.prepare_call(0);
        let not_observing = self.skip_unless_observing();
        let bytes = passed_bytes(values.map_or(0, <[Value]>::len));
        self.emit_outgoing(bytes);
        for (i, &value) in values.unwrap_or_default().iter().enumerate() {
            self.store_value(passed(i), value);
        }
        self.call_runtime(builtin, numbers, values.is_some());
        if bytes > 0 {
            asm!(self.masm; add rsp, bytes as i32);
        }
        self.masm.bind(not_observing);
        self.finish_builtin_call();
    }

    /// Calls a builtin with numbers and, if it takes them, the address of the values at `rsp`.
    fn call_runtime(&mut self, builtin: Builtin, numbers: &[u32], values: bool) {
        let mut args = INT_ARGS[1..].iter().copied().map(Reg::from);
        // Not the other way round, which would take a register more.
        for (&number, reg) in numbers.iter().zip(args.by_ref()) {
            self.masm.mov_imm(reg, u64::from(number));
        }
        if let Some(reg) = args.next().filter(|_| values) {
            asm!(self.masm; mov Rq(reg), rsp);
        }
        self.masm.call_cell(RelocationTarget::Builtin(builtin));
        self.call_here();
    }
}
