//! The compiler as the other crates see it: sessions, the pipeline and text dumps.

use std::mem;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::print_errors::pretty_verifier_error;
use cranelift_codegen::{CodegenError, Context};
use cranelift_frontend::FunctionBuilderContext;
use upshift_abi::{
    CompileError, CompileRequest, CompileSession, CompiledFunction, Compiler, DefinedFuncIndex,
    Tier,
};
use wasmparser::{BinaryReader, FuncValidatorAllocations, FunctionBody};

use crate::artifact;
use crate::isa::{self, OptimizerError};
use crate::options::OptimizerOptions;
use crate::translate::{self, Config, TranslateError};

/// The optimizing compiler.
///
/// Immutable and shared by all threads; each thread that compiles has a session of its own.
pub struct Optimizer {
    options: OptimizerOptions,
    isa: OwnedTargetIsa,
    has_rounding: bool,
}

/// What [`Optimizer::dump`] shows of a function.
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
    validation: FuncValidatorAllocations,
}

impl Optimizer {
    /// An optimizer for the host with the options. Takes about a millisecond.
    ///
    /// # Errors
    ///
    /// If Cranelift does not support the host.
    pub fn new(options: OptimizerOptions) -> Result<Self, OptimizerError> {
        let isa = isa::target(&options)?;
        Ok(Self {
            has_rounding: isa::has_rounding(&isa),
            options,
            isa,
        })
    }

    /// The options that it was made with.
    pub fn options(&self) -> &OptimizerOptions {
        &self.options
    }

    /// What becomes of a function, as text.
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
            Dump::OptimizedClif => context
                .optimize(&*self.isa, &mut ControlPlane::default())
                .map_err(|error| codegen_error(func, &error, context))?,
            Dump::Vcode => {
                context.set_disasm(true);
                let result = context.compile(&*self.isa, &mut ControlPlane::default());
                let result = result.map_err(|error| error.inner);
                let text = result.map(|code| code.vcode.clone().unwrap_or_default());
                return text.map_err(|error| codegen_error(func, &error, context));
            }
        }
        Ok(context.func.display().to_string())
    }

    fn new_session(&self) -> Session<'_> {
        Session {
            optimizer: self,
            codegen: Context::new(),
            frontend: FunctionBuilderContext::new(),
            validation: FuncValidatorAllocations::default(),
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
    /// Leaves the request's CLIF in `self.codegen`.
    fn validate_and_translate(
        &mut self,
        mut request: CompileRequest<'_>,
    ) -> Result<(), CompileError> {
        if let Some(to_validate) = request.validate.take() {
            let allocations = mem::take(&mut self.validation);
            let mut validator = to_validate.into_validator(allocations);
            let bytes = BinaryReader::new(request.body(), request.body_offset().0.into());
            let result = validator.validate(&FunctionBody::new(bytes));
            self.validation = validator.into_allocations();
            result.map_err(|error| CompileError::Invalid {
                func: request.func,
                offset: error.offset() as u32,
                message: error.message().to_string(),
            })?;
        }
        self.translate(&request)
    }

    fn translate(&mut self, request: &CompileRequest<'_>) -> Result<(), CompileError> {
        let mut codegen = mem::replace(&mut self.codegen, Context::new());
        let mut frontend = mem::take(&mut self.frontend);
        codegen.clear();
        let config = Config {
            options: &self.optimizer.options,
            has_rounding: self.optimizer.has_rounding,
        };
        let isa = &*self.optimizer.isa;
        translate::translate(request, config, isa, &mut codegen.func, &mut frontend)
            .map_err(|error| translate_error(request.func, &error))?;
        self.codegen = codegen;
        self.frontend = frontend;
        Ok(())
    }

    /// Compiles the CLIF in `self.codegen`.
    fn generate(&mut self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let mut context = mem::replace(&mut self.codegen, Context::new());
        let isa = &*self.optimizer.isa;
        let outcome = context.compile(isa, &mut ControlPlane::default());
        if let Err(error) = outcome.map_err(|error| error.inner) {
            return Err(codegen_error(request.func, &error, &context));
        }
        let compiled = context.take_compiled_code();
        let artifact = compiled
            .ok_or_else(|| "Cranelift returned no code".to_string())
            .and_then(|compiled| artifact::convert(request, &context.func, &compiled))
            .map_err(|message| internal(request.func, message))?;
        self.codegen = context;
        Ok(artifact)
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
        self.generate(&bare)
    }
}

fn internal(func: DefinedFuncIndex, message: String) -> CompileError {
    CompileError::Internal {
        func,
        tier: Tier::Optimizer,
        message,
    }
}

fn translate_error(func: DefinedFuncIndex, error: &TranslateError) -> CompileError {
    internal(func, error.to_string())
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
