//! The compiler's public face: sessions, the pipeline and text dumps.

use std::mem;
use std::sync::OnceLock;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, SourceLoc};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::print_errors::pretty_verifier_error;
use cranelift_codegen::{CodegenError, CompiledCode, Context};
use cranelift_frontend::FunctionBuilderContext;
use upshift_abi::{
    CompileError, CompileRequest, CompileSession, CompiledFunction, Compiler, DefinedFuncIndex,
    Tier, frame,
};
use wasmparser::{BinaryReader, FuncValidatorAllocations, FunctionBody};

use crate::artifact::{self, Mark};
use crate::isa::{self, OptimizerError};
use crate::options::{Constants, Inline, OptimizerOptions, Regalloc};
use crate::pass;
use crate::translate::{self, Config, Origins, TranslateError};
use crate::x64;

/// The optimizing compiler.
///
/// Immutable and shared by all threads; each thread that compiles has a session of its own.
pub struct Optimizer {
    options: OptimizerOptions,
    isa: OwnedTargetIsa,
    /// The same target with the single-pass register allocator, for functions that the other one
    /// [takes too long](can_backtrack) for.
    single_pass: OnceLock<OwnedTargetIsa>,
    has_rounding: bool,
    has_fma: bool,
}

/// The stage that [`Optimizer::dump`] shows of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dump {
    /// CLIF as it was translated.
    Clif,
    /// CLIF as the middle end left it.
    OptimizedClif,
    /// Machine instructions as Cranelift prints them, with registers allocated.
    Vcode,
}

/// One thread's use of an [`Optimizer`].
///
/// The contexts hold large buffers, which the next compilation reuses. They are taken out while one
/// runs, so that a session survives a panic or error in the middle with fresh ones.
struct Session<'a> {
    optimizer: &'a Optimizer,
    codegen: Context,
    frontend: FunctionBuilderContext,
    regalloc: regalloc2::Ctx,
    validation: FuncValidatorAllocations,
    /// Where the instructions in `codegen` come from.
    origins: Origins,
}

impl Optimizer {
    /// Creates an optimizer for the host with the options. Takes about a millisecond.
    ///
    /// # Errors
    ///
    /// If Cranelift does not support the host.
    pub fn new(options: OptimizerOptions) -> Result<Self, OptimizerError> {
        let isa = isa::target(&options)?;
        Ok(Self {
            has_rounding: x64::has_rounding(&isa),
            has_fma: x64::has_fma(&isa),
            options,
            isa,
            single_pass: OnceLock::new(),
        })
    }

    /// The options that the optimizer was created with.
    pub fn options(&self) -> &OptimizerOptions {
        &self.options
    }

    /// The processor and settings that code is made for, as text.
    pub fn target(&self) -> String {
        let flags: Vec<String> = self
            .isa
            .isa_flags()
            .iter()
            .map(ToString::to_string)
            .collect();
        let settings = self.isa.flags().to_string().replace('\n', " ");
        format!("{} {} {settings}", self.isa.triple(), flags.join(" "))
    }

    /// A stage of a function's compilation as text.
    ///
    /// # Errors
    ///
    /// As [`CompileSession::compile`].
    pub fn dump(&self, request: CompileRequest<'_>, dump: Dump) -> Result<String, CompileError> {
        let func = request.func;
        let mut session = self.new_session();
        session.validate_and_translate(request)?;
        let context = &mut session.codegen;
        match dump {
            Dump::Clif => {}
            Dump::OptimizedClif => self.optimize(&*self.isa, func, context)?,
            Dump::Vcode => {
                self.optimize(&*self.isa, func, context)?;
                context.set_disasm(true);
                let result = context.compile(&*self.isa, &mut ControlPlane::default());
                let result = result.map_err(|error| error.inner);
                let text = result.map(|code| code.vcode.clone().unwrap_or_default());
                return text.map_err(|error| codegen_error(func, &error, context));
            }
        }
        let text = context.func.display().to_string();
        Ok(in_module(&text, &session.origins))
    }

    /// Runs all passes over CLIF: Cranelift's, then ours.
    fn optimize(
        &self,
        isa: &dyn TargetIsa,
        func: DefinedFuncIndex,
        context: &mut Context,
    ) -> Result<(), CompileError> {
        let optimized = context.optimize(isa, &mut ControlPlane::default());
        optimized.map_err(|error| codegen_error(func, &error, context))?;
        if self.options.constants == Constants::WherePassed {
            pass::constants::make_where_passed(context);
        }
        let verified = context.verify_if(isa);
        verified.map_err(|error| codegen_error(func, &error, context))
    }

    /// The target with the register allocator that suits the function.
    fn isa_for(&self, func: &Function) -> Result<&dyn TargetIsa, OptimizerError> {
        if self.options.regalloc == Regalloc::SinglePass || can_backtrack(func) {
            return Ok(&*self.isa);
        }
        if let Some(isa) = self.single_pass.get() {
            return Ok(&**isa);
        }
        let isa = isa::target(&OptimizerOptions {
            regalloc: Regalloc::SinglePass,
            ..self.options.clone()
        })?;
        Ok(&**self.single_pass.get_or_init(|| isa))
    }

    fn new_session(&self) -> Session<'_> {
        Session {
            optimizer: self,
            codegen: Context::new(),
            frontend: FunctionBuilderContext::new(),
            regalloc: regalloc2::Ctx::default(),
            validation: FuncValidatorAllocations::default(),
            origins: Origins::default(),
        }
    }
}

impl Compiler for Optimizer {
    fn tier(&self) -> Tier {
        Tier::Optimizer
    }

    fn session(&self) -> Box<dyn CompileSession + '_> {
        Box::new(self.new_session())
    }
}

impl Session<'_> {
    /// Translates the request to CLIF in `self.codegen`.
    fn validate_and_translate(
        &mut self,
        mut request: CompileRequest<'_>,
    ) -> Result<(), CompileError> {
        let mut inline = self.optimizer.options.inline;
        if let Some(to_validate) = request.validate.take() {
            inline = Inline::None;
            let allocations = mem::take(&mut self.validation);
            let mut validator = to_validate.into_validator(allocations);
            let bytes = BinaryReader::new(request.body(), request.body_offset().0.into());
            let result = validator.validate(&FunctionBody::new(bytes));
            self.validation = validator.into_allocations();
            result.map_err(|error| CompileError::invalid(request.func, &error))?;
        }
        self.translate(&request, inline)
    }

    fn translate(
        &mut self,
        request: &CompileRequest<'_>,
        inline: Inline,
    ) -> Result<(), CompileError> {
        let mut codegen = mem::replace(&mut self.codegen, Context::new());
        let mut frontend = mem::take(&mut self.frontend);
        codegen.clear();
        let config = Config {
            options: &self.optimizer.options,
            inline,
            has_rounding: self.optimizer.has_rounding,
            has_fma: self.optimizer.has_fma,
        };
        let isa = &*self.optimizer.isa;
        self.origins = translate::translate(request, config, isa, &mut codegen.func, &mut frontend)
            .map_err(|error| translate_error(request.func, &error))?;
        self.codegen = codegen;
        self.frontend = frontend;
        Ok(())
    }

    /// Compiles the CLIF in `self.codegen`.
    fn generate(&mut self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let mut context = mem::replace(&mut self.codegen, Context::new());
        let compiled = self.passes(request, &mut context)?;
        let artifact = artifact::convert(request, &context.func, &compiled, &self.origins)
            .map_err(|message| internal(request.func, message))?;
        self.codegen = context;
        Ok(artifact)
    }

    /// Does what [`Context::compile`] does, but checks for cancellation between the middle end and
    /// the back end.
    fn passes(
        &mut self,
        request: &CompileRequest<'_>,
        context: &mut Context,
    ) -> Result<CompiledCode, CompileError> {
        let func = request.func;
        let isa = self.optimizer.isa_for(&context.func);
        let isa = isa.map_err(|error| internal(func, error.to_string()))?;
        let verified = context.verify_if(isa);
        verified.map_err(|error| codegen_error(func, &error, context))?;
        self.optimizer.optimize(isa, func, context)?;
        Mark::set_exits(&mut context.func);
        check_cancel(request)?;
        let compiled = self.back_end(isa, func, context)?;
        let frame = compiled.buffer.frame_layout();
        let frame = frame.map_or(0, |layout| layout.frame_to_fp_offset);
        if context.func.stack_limit.is_some() || frame <= frame::UNCHECKED {
            return Ok(compiled);
        }
        // Only now is it known that registers did not suffice, by far.
        translate::check_stack(&mut context.func);
        check_cancel(request)?;
        self.back_end(isa, func, context)
    }

    /// Selects instructions and allocates registers.
    fn back_end(
        &mut self,
        isa: &dyn TargetIsa,
        func: DefinedFuncIndex,
        context: &Context,
    ) -> Result<CompiledCode, CompileError> {
        let mut regalloc = mem::take(&mut self.regalloc);
        let stencil = isa.compile_function(
            &context.func,
            &context.domtree,
            &mut regalloc,
            context.want_disasm,
            &mut ControlPlane::default(),
        );
        let stencil = stencil.map_err(|error| codegen_error(func, &error, context))?;
        self.regalloc = regalloc;
        Ok(stencil.apply_params(&context.func.params))
    }
}

impl CompileSession for Session<'_> {
    fn compile(
        &mut self,
        mut request: CompileRequest<'_>,
    ) -> Result<CompiledFunction, CompileError> {
        let validate = request.validate.take();
        let bare = CompileRequest {
            validate: None,
            ..request
        };
        self.validate_and_translate(CompileRequest { validate, ..bare })?;
        check_cancel(&bare)?;
        self.generate(&bare)
    }
}

/// Whether the backtracking register allocator can handle the function. Its time can grow with the
/// square of the number of blocks, of the values that a block takes, and of the exceptional edges
/// that values cross; that of the single-pass one does not.
fn can_backtrack(func: &Function) -> bool {
    /// The largest functions of CPython, Ruby, Clang and Yosys have 13,000.
    const MAX_BLOCKS: usize = 14 << 10;
    /// Squares of the blocks' numbers of parameters, summed.
    const MAX_PARAMS: usize = 64 << 20;
    /// Values on the exceptional edges of calls: about two seconds, in proportion to the square. A
    /// recursive function of Yosys has 11,000; there the single-pass allocator's frames would
    /// exhaust the stack.
    const MAX_HANDLED: usize = 14 << 10;

    let squares = func.layout.blocks().map(|block| {
        let params = func.dfg.num_block_params(block);
        params * params
    });
    let pool = &func.dfg.value_lists;
    let mut handled = 0;
    // Not all tables are of calls that are still there: those of others have been emptied.
    let ends = func
        .layout
        .blocks()
        .filter_map(|block| func.layout.last_inst(block));
    for table in ends.filter_map(|end| func.dfg.insts[end].exception_table()) {
        let targets = func.dfg.exception_tables[table].all_branches();
        let passed = targets.iter().map(|target| target.len(pool));
        handled += passed.sum::<usize>();
    }
    func.dfg.num_blocks() <= MAX_BLOCKS
        && squares.sum::<usize>() <= MAX_PARAMS
        && handled <= MAX_HANDLED
}

fn check_cancel(request: &CompileRequest<'_>) -> Result<(), CompileError> {
    match request.cancel.is_requested() {
        true => Err(CompileError::Cancelled { func: request.func }),
        false => Ok(()),
    }
}

/// CLIF's text with each instruction's place in the module in front of it (`@1f4`). Locations of
/// inlined functions are numbers of their own until here.
fn in_module(text: &str, origins: &Origins) -> String {
    let mut placed = String::with_capacity(text.len());
    for line in text.lines() {
        let location = line.strip_prefix('@').and_then(|rest| {
            let (bits, rest) = rest.split_once(' ')?;
            Some((u32::from_str_radix(bits, 16).ok()?, rest))
        });
        match location {
            Some((bits, rest)) => {
                let (_, wasm) = origins.copies.resolve(SourceLoc::new(bits));
                placed += &format!("@{:04x} {rest}\n", wasm.0);
            }
            None => placed.extend([line, "\n"]),
        }
    }
    placed
}

fn internal(func: DefinedFuncIndex, message: String) -> CompileError {
    CompileError::Internal {
        func,
        tier: Tier::Optimizer,
        message,
    }
}

fn translate_error(func: DefinedFuncIndex, error: &TranslateError) -> CompileError {
    match error {
        TranslateError::Cancelled => CompileError::Cancelled { func },
        TranslateError::TooLarge { .. } | TranslateError::TooDeep { .. } => {
            CompileError::TooLarge {
                func,
                limit: error.to_string(),
            }
        }
        _ => internal(func, error.to_string()),
    }
}

fn codegen_error(func: DefinedFuncIndex, error: &CodegenError, context: &Context) -> CompileError {
    match error {
        CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge => CompileError::TooLarge {
            func,
            limit: format!("Cranelift: {error}"),
        },
        CodegenError::Verifier(errors) => {
            let text = pretty_verifier_error(&context.func, None, errors.clone());
            internal(func, text)
        }
        _ => internal(func, error.to_string()),
    }
}
