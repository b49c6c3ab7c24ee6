//! The compiler as the rest of the engine sees it.

use std::mem;

use upshift_abi::artifact::{CompileStats, SourceLocation};
use upshift_abi::callconv::kinds;
use upshift_abi::compiler::{CompileError, CompileRequest, CompileSession, Compiler, Tier};
use upshift_abi::frame::MAX_HOME_WORDS;
use upshift_abi::fuel::Charges;
use upshift_abi::sites::{ExceptionHandler, SiteDetails};
use upshift_abi::values::DescribedCode;
use upshift_abi::{
    CodeOffset, CompileUnit, CompiledFunction, Counting, Sites, ValType, WasmOffset,
};
use wasmparser::{
    BinaryReader, BinaryReaderError, BlockType, FuncToValidate, FuncValidator,
    FuncValidatorAllocations, FunctionBody, ValidatorResources,
};

use crate::control::{BlockKind, ControlFrame};
use crate::describe::Recorder;
use crate::func_gen::{Buffers, FuncGen};
use crate::options::{BaselineOptions, Counters};
use crate::peek::Peek;
use crate::reg::RegSet;
use crate::visit::{Trusting, Validating};

/// Bytes of code that one function may have. Even wasmparser's largest bodies, of 7.6 MB, stay far
/// below unless they are made to be expensive: calls that move a thousand operands, for instance.
const MAX_CODE: usize = 1 << 28;

/// The baseline compiler.
#[derive(Debug, Default)]
pub struct Baseline {
    options: BaselineOptions,
}

impl Baseline {
    /// A compiler with the options.
    pub fn new(options: BaselineOptions) -> Self {
        Self { options }
    }

    /// Its options.
    pub fn options(&self) -> &BaselineOptions {
        &self.options
    }
}

impl Compiler for Baseline {
    fn tier(&self) -> Tier {
        Tier::Baseline
    }

    fn session(&self) -> Box<dyn CompileSession + '_> {
        Box::new(Session {
            options: &self.options,
            buffers: Buffers::default(),
            allocations: FuncValidatorAllocations::default(),
        })
    }
}

/// Operators between two questions whether the compilation is still wanted: some tens of
/// microseconds.
const CANCEL_INTERVAL: u32 = 1 << 11;

/// How far a body was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// To its end.
    Reached,
    /// Until it exceeded a limit.
    TooLarge,
    /// Until it was no longer wanted.
    Cancelled,
}

/// Reuses buffers from function to function.
struct Session<'o> {
    options: &'o BaselineOptions,
    buffers: Buffers,
    allocations: FuncValidatorAllocations,
}

impl CompileSession for Session<'_> {
    fn compile(&mut self, request: CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        self.compile_with(request, None, |_, code| code)
    }

    fn describe(
        &mut self,
        request: CompileRequest<'_>,
        at: Option<WasmOffset>,
    ) -> Option<DescribedCode> {
        let recorder = Some(Recorder::new(at));
        let described = self.compile_with(request, recorder, |generator, code| {
            generator.described(code)
        });
        described.ok()
    }
}

impl Session<'_> {
    /// Compiles a function, with a recorder if it is to be described.
    fn compile_with<R>(
        &mut self,
        mut request: CompileRequest<'_>,
        recorder: Option<Box<Recorder>>,
        then: impl FnOnce(&mut FuncGen<'_>, CompiledFunction) -> R,
    ) -> Result<R, CompileError> {
        if request.unit != CompileUnit::Function {
            return Err(CompileError::Internal {
                func: request.func,
                tier: Tier::Baseline,
                message: "asked for an OSR entry, which only the optimizer makes".into(),
            });
        }
        let to_validate = request.validate.take();
        let without_counters = BaselineOptions {
            counters: Counters::default(),
            targets: false,
            ..*self.options
        };
        let options = match request.counting {
            Counting::AsConfigured => self.options,
            Counting::Never => &without_counters,
        };
        let buffers = mem::take(&mut self.buffers);
        let body_end = request.body_offset().0 as usize + request.body().len();
        let mut generator = FuncGen::new(
            request.facts,
            Peek::new(&request.wasm[..body_end]),
            options,
            request.func,
            buffers,
        );
        generator.input.counting = request.counting;
        generator.recorder = recorder;
        if options.fuel {
            let body = BinaryReader::new(request.body(), request.body_offset().0.into());
            generator.charges = Charges::of(&FunctionBody::new(body));
        }
        let result = self.body(&mut generator, &request, to_validate);
        let result = match result {
            Ok(End::Reached | End::TooLarge) => Ok(()),
            Ok(End::Cancelled) => Err(CompileError::Cancelled { func: request.func }),
            Err(error) => Err(CompileError::invalid(request.func, &error)),
        };
        let result = result.and_then(|()| finish(&mut generator, &request));
        let result = result.map(|code| then(&mut generator, code));
        self.buffers = generator.into_buffers();
        result
    }

    /// Compiles the body, validating it if there is a validator.
    fn body<'a>(
        &mut self,
        generator: &mut FuncGen<'a>,
        request: &CompileRequest<'a>,
        to_validate: Option<FuncToValidate<ValidatorResources>>,
    ) -> Result<End, BinaryReaderError> {
        let mut reader = BinaryReader::new(request.body(), u64::from(request.body_offset().0));
        let Some(to_validate) = to_validate else {
            declare_locals(generator, request, &mut reader, None)?;
            return trusted_operators(generator, reader, request);
        };
        let mut validator = to_validate.into_validator(mem::take(&mut self.allocations));
        let result = declare_locals(generator, request, &mut reader, Some(&mut validator))
            .and_then(|()| validated_operators(generator, &mut validator, reader, request));
        self.allocations = validator.into_allocations();
        result
    }
}

/// Compiles a function with a fault, and returns whether there was an occasion for it and whether
/// the compilation panicked.
#[cfg(test)]
pub(crate) fn compile_with_fault(
    options: &BaselineOptions,
    request: CompileRequest<'_>,
    plan: crate::asm::record::faults::Plan,
) -> (bool, bool) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let mut session = Session {
        options,
        buffers: Buffers::default(),
        allocations: FuncValidatorAllocations::default(),
    };
    session.buffers.masm.record.plan = Some(plan);
    let compile = AssertUnwindSafe(|| session.compile(request).map(drop));
    match catch_unwind(compile) {
        Ok(result) => {
            result.expect("a valid function");
            let plan = session.buffers.masm.record.plan;
            (plan.is_some_and(|plan| plan.done), false)
        }
        Err(_) => (true, true),
    }
}

/// Reads the local declarations and emits the prologue.
fn declare_locals(
    generator: &mut FuncGen<'_>,
    request: &CompileRequest<'_>,
    reader: &mut BinaryReader<'_>,
    mut validator: Option<&mut FuncValidator<ValidatorResources>>,
) -> Result<(), BinaryReaderError> {
    let state = &mut generator.state;
    state.declare_params(kinds(&request.func_type().params));
    for _ in 0..reader.read_var_u32()? {
        let at = reader.original_position();
        let count: u32 = reader.read()?;
        let ty: wasmparser::ValType = reader.read()?;
        if let Some(validator) = &mut validator {
            validator.define_locals(at, count, ty)?;
        }
        // Other types and larger numbers were refused by validation.
        if let Some(ty) = ValType::from_wasm(ty) {
            state.declare_locals(ty.kind(), count);
        }
    }
    generator.cursor.pos = request.body_offset().0;
    generator.check_start();
    generator.prologue();
    generator.report_call();
    let ty = request.facts.funcs[request.facts.func_index(request.func).index()];
    let control = ControlFrame::new(BlockKind::Func, true, BlockType::FuncType(ty.0), 0);
    generator.labels.push(control);
    Ok(())
}

/// Prepares for an operator. Returns false if the function has become too large to go on.
#[inline]
fn begin_operator(generator: &mut FuncGen<'_>, at: u64, sources: bool) -> bool {
    generator.cursor.pos = at as u32;
    generator.state.regs.pins = RegSet::NONE;
    generator.check_operator();
    generator.describe_operator();
    if let Some(charge) = generator.charges.at(at as u32) {
        generator.charge(charge);
    }
    let sites = generator.observed.at(at as u32);
    if !sites.is_empty() {
        generator.observe(sites);
    }
    if cfg!(debug_assertions) && generator.cursor.reachable {
        generator.state.check();
    }
    if sources {
        generator.note_source();
    }
    generator.masm.total_len() <= MAX_CODE && generator.state.end.words() <= MAX_HOME_WORDS
}

impl FuncGen<'_> {
    /// Records where the current operator's code begins, instead of an operator that emitted none.
    /// Loops do so always, so that a backtrace tells where an interruption has struck.
    pub(crate) fn note_source(&mut self) {
        let code = CodeOffset(self.masm.buf.len() as u32);
        let wasm = self.wasm_offset();
        match self.records.sources.last_mut() {
            Some(last) if last.wasm == wasm => {}
            Some(last) if last.code == code => last.wasm = wasm,
            _ => self.records.sources.push(SourceLocation { code, wasm }),
        }
    }
}

fn trusted_operators<'a>(
    generator: &mut FuncGen<'a>,
    mut reader: BinaryReader<'a>,
    request: &CompileRequest<'a>,
) -> Result<End, BinaryReaderError> {
    while !reader.eof() {
        if request.cancel.is_requested() {
            return Ok(End::Cancelled);
        }
        for _ in 0..CANCEL_INTERVAL {
            if reader.eof() {
                break;
            }
            if !begin_operator(generator, reader.original_position(), request.sources) {
                return Ok(End::TooLarge);
            }
            reader.visit_operator(&mut Trusting { generator })?;
        }
    }
    reader.finish_expression(&Trusting { generator })?;
    Ok(End::Reached)
}

fn validated_operators<'a>(
    generator: &mut FuncGen<'a>,
    validator: &mut FuncValidator<ValidatorResources>,
    mut reader: BinaryReader<'a>,
    request: &CompileRequest<'a>,
) -> Result<End, BinaryReaderError> {
    while !reader.eof() {
        if request.cancel.is_requested() {
            return Ok(End::Cancelled);
        }
        for _ in 0..CANCEL_INTERVAL {
            if reader.eof() {
                break;
            }
            if !begin_operator(generator, reader.original_position(), request.sources) {
                return Ok(End::TooLarge);
            }
            reader.visit_operator(&mut Validating {
                generator,
                validator,
            })??;
        }
    }
    reader.finish_expression(&Validating {
        generator,
        validator,
    })?;
    Ok(End::Reached)
}

/// Checks the limits and makes the artifact.
fn finish(
    generator: &mut FuncGen<'_>,
    request: &CompileRequest<'_>,
) -> Result<CompiledFunction, CompileError> {
    let too_large = |limit: String| CompileError::TooLarge {
        func: request.func,
        limit,
    };
    if generator.state.end.words() > MAX_HOME_WORDS {
        return Err(too_large(format!(
            "more than {MAX_HOME_WORDS} words of locals and operands"
        )));
    }
    if generator.masm.total_len() > MAX_CODE {
        return Err(too_large(format!("more than {MAX_CODE} bytes of code")));
    }
    generator.describe_no_more();
    let frame_size = generator.emit_head();
    let assembled = generator.masm.finish();
    let handlers = generator.regions.handlers(&generator.masm);
    let mut sources = mem::take(&mut generator.records.sources);
    for source in &mut sources {
        source.code.0 += generator.masm.head_len() as u32;
    }
    Ok(CompiledFunction {
        frame_moves: None,
        code: assembled.code,
        data_bytes: assembled.data_bytes,
        relocations: assembled.relocations,
        sites: Sites {
            details: details(handlers),
            ..Sites::new(assembled.traps, assembled.calls)
        },
        sources,
        loops: mem::take(&mut generator.records.loops),
        frame_size,
        stats: CompileStats {
            tier: Some(Tier::Baseline),
            body_bytes: request.body().len() as u32,
            ..CompileStats::default()
        },
    })
}

/// What the sites of few functions have.
fn details(handlers: Vec<ExceptionHandler>) -> Option<Box<SiteDetails>> {
    if handlers.is_empty() {
        return None;
    }
    Some(Box::new(SiteDetails {
        handlers,
        ..SiteDetails::default()
    }))
}
