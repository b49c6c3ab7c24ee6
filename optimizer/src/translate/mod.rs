//! From a function body to CLIF: the state of one translation.
//!
//! The WebAssembly operand stack exists at translation time only, as a stack of SSA values; locals
//! are variables of the frontend, which finds their SSA form. Structured control flow becomes
//! blocks whose parameters are the values that a label takes.
//!
//! # Invariants
//!
//! - Operators in unreachable code are skipped; there the operand stack holds nothing above
//!   the innermost frame's height.
//! - Every value on the stack has the CLIF type of its WebAssembly type.
//! - The work is bounded by the body's size ([`locals`], [`limits`]).

mod access;
mod contents;
mod control;
mod dispatch;
mod early;
mod env;
mod epoch;
mod exception;
mod extend;
mod fuel;
mod inline;
mod limits;
mod locals;
mod observe;
mod origins;
mod osr;
mod visit;

use cranelift_codegen::ir::{
    Block, BlockArg, Function, InstBuilder, InstructionData, SourceLoc, Type, UserFuncName, Value,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder, FunctionBuilderContext, Variable};
use upshift_abi::callconv::{Locations, ResultLocation, kinds};
use upshift_abi::frame::HomeSlot;
use upshift_abi::{CompileRequest, CompileUnit, Kind, ValType, WasmOffset};
use wasmparser::{BinaryReader, BinaryReaderError, FunctionBody};

use crate::names::Symbol;
use crate::signature::{self, clif_type};

pub(crate) use access::{Region, exception, fixed, trusted};
pub(crate) use contents::{Bytes, Contents, Reading};
pub(crate) use control::{ControlFrame, ControlStack, FrameKind, Reached};
use dispatch::Dispatches;
use early::Early;
pub(crate) use early::FloatBits;
pub(crate) use env::{CallSignature, Config, Env};
pub(crate) use exception::{Catch, Clause, Destination, Regions, Takes, TryRegion};
use extend::Extended;
use fuel::Fuel;
use inline::Inlining;
use limits::Meter;
pub(crate) use locals::{Homes, Local};
use origins::Accesses;
pub(crate) use origins::{Fault, Origins};
use osr::Osr;
pub(crate) use osr::{Kept, Opening};
use visit::Forward;

/// Why a translation stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TranslateError {
    #[error("the body can't be decoded: {0}")]
    Decode(#[from] BinaryReaderError),
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("there is no loop {0}")]
    NoSuchLoop(u32),
    #[error("loop {0} is unreachable code")]
    UnreachableLoop(u32),
    #[error("{body_bytes} bytes of body make more than {limit} instructions, values and operands")]
    TooLarge { body_bytes: usize, limit: usize },
    #[error("more than {limit} loops in each other")]
    TooDeep { limit: u32 },
    #[error("given up")]
    Cancelled,
}

/// A variable of the frontend and its type.
#[derive(Clone, Copy)]
pub(crate) struct TypedVar {
    pub(crate) var: Variable,
    pub(crate) ty: Type,
}

/// The state of one translation.
pub(crate) struct Translator<'a> {
    pub(crate) builder: FunctionBuilder<'a>,
    pub(crate) env: Env<'a>,
    /// The operand stack.
    pub(crate) stack: Vec<Value>,
    /// The control stack.
    pub(crate) control: ControlStack,
    /// Parameters and locals.
    pub(crate) locals: Vec<Local>,
    /// Their home slots.
    local_slots: Vec<HomeSlot>,
    /// Where those are that are in memory.
    pub(crate) homes: Homes,
    /// The function's `VmContext*`.
    pub(crate) vmctx: Value,
    /// Where results go that have no register.
    pub(crate) result_area: Option<Value>,
    /// Where the function's own results go.
    results: Box<[(Kind, ResultLocation)]>,
    /// The plan for the OSR entry, if that is what is compiled.
    osr: Option<Osr>,
    /// Arguments of the jump being built; kept for its allocation.
    block_args: Vec<BlockArg>,
    /// How much has been made.
    pub(crate) meter: Meter<'a>,
    /// Values that are computed once, before they are needed.
    pub(crate) early: Early,
    /// What is known of memory.
    pub(crate) contents: Contents,
    /// Values of `i32` that are known as 64-bit values too.
    pub(crate) extended: Extended,
    /// Functions that are translated in place of their calls.
    pub(crate) inlining: Inlining<'a>,
    /// Where fuel is, if the code consumes it.
    fuel: Option<Fuel>,
    /// Try regions around the current position.
    pub(crate) regions: Regions,
    /// Loops that dispatch.
    pub(crate) dispatches: Dispatches,
    /// Accesses of linear memory so far.
    accesses: Accesses,
    /// The operator that is translated.
    position: WasmOffset,
    /// Whether the prologue must look for the end of the stack.
    pub(crate) stack_check: StackCheck,
}

/// When a prologue looks for the end of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackCheck {
    /// If the frame is large: the function calls nothing, and below the limit there is room for a
    /// small frame.
    IfLarge,
    /// Always.
    Always,
}

/// Makes the function's prologue look for the end of the stack.
pub(crate) fn check_stack(func: &mut Function) {
    func.stack_limit = Some(access::stack_limit(func));
}

/// Builds the CLIF of what the request names in `func`, which must be empty. Returns where
/// its instructions come from.
pub(crate) fn translate(
    request: &CompileRequest<'_>,
    config: Config<'_>,
    isa: &dyn TargetIsa,
    func: &mut Function,
    context: &mut FunctionBuilderContext,
) -> Result<Origins, TranslateError> {
    let body = FunctionBody::new(BinaryReader::new(
        request.body(),
        request.body_offset().0.into(),
    ));
    let ty = request.func_type();
    let (osr, locations) = match request.unit {
        CompileUnit::Function => (None, Locations::of(ty)),
        CompileUnit::Loop(index) => {
            let params = upshift_abi::frame::osr_params();
            let locations = Locations::with(params.iter().copied(), kinds(&ty.results));
            (Some(Osr::plan(&body, index)?), locations)
        }
    };
    func.name = UserFuncName::User(Symbol::Function(request.func).name());
    func.signature = signature::of_function(&locations);
    let builder = FunctionBuilder::new(func, context);
    let env = Env::new(request, config);
    let meter = Meter::new(request);
    let inlining = Inlining::new(request);
    let mut translator = Translator::enter(builder, env, &locations, osr, meter, inlining);
    translator.declare_locals(&ty.params, &body)?;
    translator.push_function_frame(&ty.results);
    if request.unit == CompileUnit::Function {
        let at = SourceLoc::new(request.body_offset().0);
        translator.builder.set_srcloc(at);
        let args = translator.own_arguments();
        translator.check_epoch();
        translator.report_call(&body, request.body_offset(), &args)?;
    }
    translator.translate_body(&body, request.body_offset())?;
    let stack_check = translator.stack_check;
    let origins = Origins {
        copies: translator.inlining.into_copies(),
        accesses: translator.accesses,
        dispatching: translator.dispatches.into_jumps(),
    };
    translator.builder.finalize(isa.frontend_config());
    if stack_check == StackCheck::Always {
        check_stack(func);
    }
    Ok(origins)
}

impl<'a> Translator<'a> {
    /// Makes the entry block and stands where the body begins.
    fn enter(
        mut builder: FunctionBuilder<'a>,
        env: Env<'a>,
        locations: &Locations,
        osr: Option<Osr>,
        meter: Meter<'a>,
        inlining: Inlining<'a>,
    ) -> Self {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let params = builder.block_params(entry);
        let vmctx = params[0];
        let result_area = locations.has_result_area().then(|| params[1]);
        let fuel = env.config.options.fuel;
        let fuel = fuel.then(|| Fuel::enter(&mut builder, vmctx));
        let osr = osr.map(|osr| osr.enter(&mut builder));
        let homes = match &osr {
            Some(osr) => Homes::Baseline { fp: osr.fp() },
            None => Homes::None,
        };
        Self {
            builder,
            env,
            stack: Vec::new(),
            control: ControlStack::default(),
            locals: Vec::new(),
            local_slots: Vec::new(),
            homes,
            vmctx,
            result_area,
            results: locations.results.clone(),
            osr,
            block_args: Vec::new(),
            meter,
            early: Early::new(entry),
            contents: Contents::default(),
            extended: Extended::default(),
            inlining,
            fuel,
            regions: Regions::default(),
            dispatches: Dispatches::default(),
            accesses: Accesses::default(),
            position: WasmOffset(0),
            stack_check: StackCheck::IfLarge,
        }
    }

    /// Translates the operators of a body, whose instructions get source locations from `at` on.
    fn translate_body(
        &mut self,
        body: &FunctionBody<'_>,
        at: WasmOffset,
    ) -> Result<(), TranslateError> {
        let start = body.range().start as u32;
        let mut charges = self.charges(body);
        let mut sites = self.sites();
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            self.check_meter()?;
            let offset = operators.original_position() as u32 - start;
            self.builder.set_srcloc(SourceLoc::new(at.0 + offset));
            self.position = WasmOffset(start + offset);
            if let Some(charge) = charges.at(start + offset) {
                self.charge(charge);
            }
            let here = sites.at(start + offset);
            if !here.is_empty() {
                self.observe(here);
            }
            operators.visit_operator(&mut Forward(self))??;
        }
        Ok(())
    }

    /// Opens the frame of a function whose arguments have been popped.
    fn push_function_frame(&mut self, results: &[ValType]) {
        let end = self.block_with(results);
        self.control.push(ControlFrame {
            kind: FrameKind::Block,
            end,
            params: 0,
            results: results.len(),
            height: self.stack.len(),
            end_reached: Reached::Never,
            kept_from: None,
        });
    }

    /// An instruction builder at the current position.
    pub(crate) fn ins(&mut self) -> FuncInstBuilder<'_, 'a> {
        self.builder.ins()
    }

    /// A zero or null of the kind.
    pub(crate) fn zero(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::F32 => self.ins().f32const(0.0),
            Kind::F64 => self.ins().f64const(0.0),
            Kind::I32 | Kind::I64 | Kind::Ref => self.ins().iconst(clif_type(kind), 0),
            Kind::V128 => self.vector_constant([0; 16]),
        }
    }

    /// A new block with parameters of the types.
    pub(crate) fn block_with(&mut self, params: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for &ty in params {
            self.builder.append_block_param(block, clif_type(ty.kind()));
        }
        block
    }

    /// Pushes a value.
    pub(crate) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Pops a value.
    pub(crate) fn pop(&mut self) -> Value {
        self.stack.pop().expect("validated: the operand is there")
    }

    /// Pops two values; the one pushed last comes last.
    pub(crate) fn pop2(&mut self) -> (Value, Value) {
        let b = self.pop();
        (self.pop(), b)
    }

    /// Pops three values; the one pushed last comes last.
    pub(crate) fn pop3(&mut self) -> (Value, Value, Value) {
        let c = self.pop();
        let (a, b) = self.pop2();
        (a, b, c)
    }

    /// The instruction that a value is the result of; none if it is a block's parameter.
    pub(crate) fn definition(&self, value: Value) -> Option<InstructionData> {
        let dfg = &self.builder.func.dfg;
        dfg.value_def(value).inst().map(|inst| dfg.insts[inst])
    }

    /// Where the function's own results go.
    pub(crate) fn results(&self) -> &[(Kind, ResultLocation)] {
        &self.results
    }

    /// The uppermost values.
    pub(crate) fn peek(&self, count: usize) -> &[Value] {
        &self.stack[self.stack.len() - count..]
    }
}
