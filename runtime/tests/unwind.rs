//! Exceptions continue at the handlers that artifacts list, and the references that artifacts list
//! are found on the stack: hand-made code, whose frames are as unlike a compiler's as they may be.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::Code;
use upshift_abi::exception::VmException;
use upshift_abi::sites::{ExceptionHandler, LiveReference, SiteDetails};
use upshift_abi::vmctx::{VmImportedFunc, VmLayout, VmVal};
use upshift_abi::{
    Builtin, CallSite, CodeOffset, CompiledFunction, DefinedFuncIndex, FuncIndex, FuncType,
    RelocationTarget, Sites, TrapCode, TrapSite, ValType, WasmOffset,
};
use upshift_runtime::{
    ArrayFunc, Error, Extern, FuncId, HostCall, HostFunc, ModuleCode, Runtime, RuntimeConfig,
    Store, ThrownException,
};

/// The first function is the host's; `f` and `g` are the defined functions 0 and 1.
const MODULE: &str = r#"(module
    (import "" "host" (func))
    (memory 1)
    (tag (export "seven") (param i64))
    (func (export "f") (result i64) i64.const 0)
    (func (export "g") (result i64) i64.const 0))"#;

const F: FuncIndex = FuncIndex(1);
const G: DefinedFuncIndex = DefinedFuncIndex(1);

/// The number that a function with a frame has at the end of it.
const MARK: u8 = 0x55;

/// Bytes below `rbp` of a function with a frame.
const FRAME: u32 = 64;

/// `push rbp; mov rbp, rsp; push rdi; push rbx; push r12; push r13; push r14; push r15; push mark;
/// push mark`
fn open_frame(code: &mut Code) {
    code.bytes(&[0x55, 0x48, 0x89, 0xe5, 0x57, 0x53]);
    code.bytes(&[0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57]);
    code.bytes(&[0x6a, MARK, 0x6a, MARK]);
    code.0.frame_size = FRAME;
}

/// `pop rcx; pop rdx; pop r15; pop r14; pop r13; pop r12; pop rbx; pop rdi; leave; ret`, behind
/// `add rax, [rsp]`, so that the result tells that the stack pointer is right.
fn close_frame(code: &mut Code) {
    code.bytes(&[0x48, 0x03, 0x04, 0x24, 0x59, 0x5a]);
    code.bytes(&[0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c]);
    code.bytes(&[0x5b, 0x5f, 0xc9, 0xc3]);
}

/// `mov eax, number`
fn load_result(code: &mut Code, number: u32) {
    code.bytes(&[0xb8]);
    code.bytes(&number.to_le_bytes());
}

/// Whether the code has a handler for its call.
#[derive(Clone, Copy, PartialEq)]
enum Handler {
    /// It returns the sum of 256 and the exception's first value.
    Listed,
    None,
}

/// A function that changes all callee-saved registers, then calls `callee`; returns 1 if that does.
fn calling(callee: impl FnOnce(&mut Code), handler: Handler) -> CompiledFunction {
    let mut code = Code::default();
    open_frame(&mut code);
    // xor ebx, ebx; xor r12d, r12d; xor r13d, r13d; xor r14d, r14d; xor r15d, r15d
    code.bytes(&[0x31, 0xdb, 0x45, 0x31, 0xe4, 0x45, 0x31, 0xed]);
    code.bytes(&[0x45, 0x31, 0xf6, 0x45, 0x31, 0xff]);
    callee(&mut code);
    let call = code.pos();
    let site = CallSite {
        code: call,
        wasm: WasmOffset(1),
    };
    code.0.sites = Sites::new([], [site]);
    load_result(&mut code, 1);
    close_frame(&mut code);
    if handler == Handler::Listed {
        let target = code.pos();
        code.0.sites.details = Some(Box::new(SiteDetails {
            handlers: vec![ExceptionHandler { call, target }],
            ..SiteDetails::default()
        }));
        code.bytes(&[0x48, 0x8b, 0x40, VmException::VALUES.0 as u8]); // mov rax, [rax + VALUES]
        code.bytes(&[0x48, 0x05, 0, 1, 0, 0]); // add rax, 256
        close_frame(&mut code);
    }
    code.0
}

fn call_g(code: &mut Code) {
    code.call(RelocationTarget::Slot(G));
}

/// Calls the imported function.
fn call_host(code: &mut Code, module: &ModuleCode) {
    let import = VmLayout::new(module.facts()).imported_func(FuncIndex(0));
    let field = |offset: u32| (import.0 + offset).to_le_bytes();
    // mov rax, [rdi + slot]; mov rdi, [rdi + context]; call [rax]
    code.bytes(&[0x48, 0x8b, 0x87]);
    code.bytes(&field(VmImportedFunc::SLOT.0));
    code.bytes(&[0x48, 0x8b, 0xbf]);
    code.bytes(&field(VmImportedFunc::VMCTX.0));
    code.bytes(&[0xff, 0x10]);
}

/// `ud2`
fn trap(code: &mut Code) {
    let site = TrapSite {
        code: code.pos(),
        wasm: WasmOffset(2),
        trap: TrapCode::Unreachable,
    };
    code.bytes(&[0x0f, 0x0b]);
    code.0.sites = Sites::new([site], []);
}

/// An instance whose import is `host`, and its function `f`.
fn instance(
    code: impl FnOnce(&ModuleCode) -> [CompiledFunction; 2],
    host: ArrayFunc,
) -> (Store, FuncId) {
    let runtime: Arc<Runtime> = support::runtime(RuntimeConfig::default());
    let module = support::module(&runtime, MODULE, support::no_hooks());
    for (func, code) in (0..).zip(code(&module)) {
        support::publish(&module, func, code);
    }
    let mut store = Store::new(&runtime, Box::new(()));
    let ty = FuncType {
        params: [].into(),
        results: [].into(),
    };
    // SAFETY: without parameters and results, the host function has the type.
    let host = unsafe { store.new_host_func(&ty, None, HostFunc::Array(host)) }.unwrap();
    let instance = store.instantiate(&module, &[Extern::Func(host)]).unwrap();
    let f = support::func(&mut store, instance, F);
    (store, f)
}

fn call(store: &mut Store, f: FuncId) -> Result<u64, Error> {
    let mut values = [VmVal::default()];
    // SAFETY: the function has no parameters, and one result.
    unsafe { store.call(f, &mut values) }?;
    Ok(values[0].bits[0])
}

/// A host function that throws 7.
fn throw() -> ArrayFunc {
    Arc::new(|call: HostCall<'_>| Err(thrown(call.store).into()))
}

/// Makes an exception with the value 7 the one that is thrown.
fn thrown(store: &mut Store) -> ThrownException {
    let ty = FuncType::new([ValType::I64], []);
    let tag = store.new_tag(&ty);
    // SAFETY: the value is of the tag's type.
    let exception = unsafe { store.new_exception(tag, &[VmVal { bits: [7, 0] }]) }.unwrap();
    let thrown = store.throw_exception(exception.expect("there are few"));
    thrown.expect("a new exception")
}

/// `f`, which may have a handler, calls `g`, which may have one and calls the host.
fn chain(f: Handler, g: Handler) -> impl FnOnce(&ModuleCode) -> [CompiledFunction; 2] {
    move |module| {
        let host = |code: &mut Code| call_host(code, module);
        [calling(call_g, f), calling(host, g)]
    }
}

#[test]
fn an_exception_continues_at_the_innermost_handler() {
    let mark = u64::from(MARK);
    let caught = 7 + 256 + mark;
    let cases = [
        ((Handler::Listed, Handler::None), caught),
        // `g` catches it and returns normally, so `f` returns 1.
        ((Handler::Listed, Handler::Listed), 1 + mark),
        ((Handler::None, Handler::Listed), 1 + mark),
    ];
    for ((f, g), result) in cases {
        let (mut store, f) = instance(chain(f, g), throw());
        for _ in 0..3 {
            assert_eq!(call(&mut store, f).unwrap(), result);
        }
    }
}

/// The builtin that throws finds the handlers of its caller's callers, and, as its caller's call is
/// a site like any other, the caller's own.
#[test]
fn webassembly_throws_by_a_builtin() {
    let throw = |code: &mut Code| {
        code.bytes(&[0x31, 0xf6, 0xba, 1, 0, 0, 0]); // xor esi, esi; mov edx, 1
        code.call(RelocationTarget::Builtin(Builtin::ExceptionNew));
        // mov qword [rax + VALUES], 7; mov rsi, rax; mov rdi, [rbp - 8]
        code.bytes(&[0x48, 0xc7, 0x40, VmException::VALUES.0 as u8, 7, 0, 0, 0]);
        code.bytes(&[0x48, 0x89, 0xc6, 0x48, 0x8b, 0x7d, 0xf8]);
        code.call(RelocationTarget::Builtin(Builtin::Throw));
    };
    let mark = u64::from(MARK);
    for (g, result) in [(Handler::None, 7 + 256 + mark), (Handler::Listed, 1 + mark)] {
        let code = |_: &ModuleCode| [calling(call_g, Handler::Listed), calling(throw, g)];
        let (mut store, f) = instance(code, self::throw());
        for _ in 0..10_000 {
            assert_eq!(call(&mut store, f).unwrap(), result);
        }
    }
    let code = |_: &ModuleCode| {
        [
            calling(call_g, Handler::None),
            calling(throw, Handler::None),
        ]
    };
    let (mut store, f) = instance(code, self::throw());
    let Err(Error::Host { error, backtrace }) = call(&mut store, f) else {
        panic!("nothing catches it");
    };
    let text = "an exception was not caught: tag `seven`, values i64 7";
    assert_eq!(error.to_string(), text);
    assert_eq!(backtrace.frames.len(), 2);
}

#[test]
fn an_exception_without_handler_leaves_through_the_entry_frame() {
    let (mut store, f) = instance(chain(Handler::None, Handler::None), throw());
    let Err(Error::Host { error, backtrace }) = call(&mut store, f) else {
        panic!("the host function's error");
    };
    let thrown: &ThrownException = error.downcast_ref().expect("the exception");
    let text = "an exception was not caught: a tag of the host, values i64 7";
    assert_eq!(thrown.to_string(), text);
    // The host function that threw, and the two around it.
    assert_eq!(backtrace.frames.len(), 3);
    let exception = store.take_thrown_exception().expect("it is the store's");
    let (_, value) = store.exception_values(exception).expect("it has a handle")[0];
    assert_eq!(value.bits[0], 7);
    assert!(!store.has_thrown_exception());
}

#[test]
fn no_handler_gets_what_is_no_exception() {
    let listed = || chain(Handler::Listed, Handler::Listed);
    let fail: ArrayFunc = Arc::new(|_: HostCall<'_>| anyhow::bail!("failed"));
    let (mut store, f) = instance(listed(), fail);
    assert_eq!(call(&mut store, f).unwrap_err().to_string(), "failed");

    let (mut store, f) = instance(
        |_| {
            let mut g = Code::default();
            g.bytes(&[0x55, 0x48, 0x89, 0xe5]); // push rbp; mov rbp, rsp
            trap(&mut g);
            [calling(call_g, Handler::Listed), g.0]
        },
        throw(),
    );
    let Err(Error::Trap { code, .. }) = call(&mut store, f) else {
        panic!("a trap");
    };
    assert_eq!(code, TrapCode::Unreachable);
}

/// A handler belongs to the activation in which the exception was thrown: one of an outer
/// activation gets it from the host function between them, if that passes the error on.
#[test]
fn an_exception_crosses_activations_as_a_host_functions_error() {
    let is_inner = AtomicBool::new(false);
    let host: ArrayFunc = Arc::new(move |call: HostCall<'_>| {
        if is_inner.swap(true, Ordering::Relaxed) {
            return Err(thrown(call.store).into());
        }
        let g = support::func(call.store, call.caller.unwrap(), FuncIndex(2));
        match self::call(call.store, g) {
            Err(Error::Host { error, .. }) => Err(error.context("passed on")),
            other => panic!("{other:?}"),
        }
    });
    let (mut store, f) = instance(chain(Handler::Listed, Handler::None), host);
    assert_eq!(call(&mut store, f).unwrap(), 7 + 256 + u64::from(MARK));
}

/// Each function lists its last mark as a reference; the host function finds both, innermost first,
/// and changes them.
#[test]
fn references_that_calls_leave_in_frames_are_found() {
    let listing = |mut code: CompiledFunction| {
        let references = vec![LiveReference {
            call: code.sites.calls[0].code,
            frame_offset: -(FRAME as i32),
        }];
        let elsewhere = LiveReference {
            call: CodeOffset(code.sites.calls[0].code.0 + 1),
            frame_offset: -8,
        };
        code.sites.details = Some(Box::new(SiteDetails {
            references: [references, vec![elsewhere]].concat(),
            ..SiteDetails::default()
        }));
        code
    };
    let host: ArrayFunc = Arc::new(|call: HostCall<'_>| {
        let references = call.store.stack_references();
        assert_eq!(references.len(), 2);
        // The frames of `f` and `g` have the same size.
        assert!(references[0] < references[1]);
        for reference in references {
            // SAFETY: the word is in a frame that stands, and nothing else accesses it now.
            let word = unsafe { &mut *reference };
            assert_eq!(*word, u64::from(MARK));
            *word += 1;
        }
        Ok(())
    });
    let (mut store, f) = instance(
        |module| chain(Handler::None, Handler::None)(module).map(listing),
        host,
    );
    assert!(store.stack_references().is_empty(), "nothing runs");
    assert_eq!(call(&mut store, f).unwrap(), 1 + u64::from(MARK) + 1);
}
