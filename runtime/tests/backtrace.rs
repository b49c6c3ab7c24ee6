//! Backtraces of code into which functions were inlined: one frame for each function that is
//! active, whether it has a stack frame of its own or not.

mod support;

use upshift_abi::sites::{InlinedFrame, InlinedRun, SiteDetails};
use upshift_abi::{
    CallSite, CodeOffset, CompiledFunction, DefinedFuncIndex, FuncIndex, InlinedIndex,
    RelocationTarget, Sites, TrapCode, TrapSite, WasmOffset,
};
use upshift_runtime::{Error, FramePlace, RuntimeConfig, Store};

/// `push rbp; mov rbp, rsp`.
const PROLOGUE: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];

/// Where the instruction behind the prologue starts.
const BODY: CodeOffset = CodeOffset(4);

/// Function 2 inlined into function 1, which is inlined into the function itself: from the body up
/// to `end`.
fn inlined(end: CodeOffset) -> Option<Box<SiteDetails>> {
    let frame = |parent, func, wasm| InlinedFrame {
        parent,
        func: DefinedFuncIndex(func),
        wasm: WasmOffset(wasm),
    };
    let innermost = Some(InlinedIndex(1));
    Some(Box::new(SiteDetails {
        inlined: vec![frame(None, 1, 10), frame(Some(InlinedIndex(0)), 2, 20)],
        runs: vec![
            InlinedRun {
                code: BODY,
                frame: innermost,
            },
            InlinedRun {
                code: end,
                frame: None,
            },
        ],
        ..SiteDetails::default()
    }))
}

/// A function that executes `unreachable` as instruction 30.
fn trapping() -> CompiledFunction {
    let trap = TrapSite {
        code: BODY,
        wasm: WasmOffset(30),
        trap: TrapCode::Unreachable,
    };
    CompiledFunction {
        code: [&PROLOGUE[..], &[0x0f, 0x0b]].concat(), // ud2
        sites: Sites::new([trap], []),
        ..CompiledFunction::default()
    }
}

/// A function that calls function 3 as instruction 40.
fn calling() -> CompiledFunction {
    let mut code = support::Code::default();
    code.bytes(&PROLOGUE);
    code.call(RelocationTarget::Slot(DefinedFuncIndex(3)));
    let call = CallSite {
        code: code.pos(),
        wasm: WasmOffset(40),
    };
    code.bytes(&[0x5d, 0xc3]); // pop rbp; ret
    code.0.sites = Sites::new([], [call]);
    code.0
}

/// Calls function 0; returns the functions and instructions of the backtrace, innermost first.
fn trace(functions: impl IntoIterator<Item = (u32, CompiledFunction)>) -> Vec<(u32, u32)> {
    let runtime = support::runtime(RuntimeConfig::default());
    let text = r#"(module (func (export "f")) (func) (func) (func))"#;
    let module = support::module(&runtime, text, support::no_hooks());
    for (func, code) in functions {
        support::publish(&module, func, code);
    }
    let mut store = Store::new(&runtime, Box::new(()));
    let instance = store.instantiate(&module, &[]).unwrap();
    let func = support::func(&mut store, instance, FuncIndex(0));
    // SAFETY: the function has no parameters and no results.
    let error = unsafe { store.call(func, &mut []) }.unwrap_err();
    let Error::Trap { code, backtrace } = error else {
        panic!("{error}");
    };
    assert_eq!((code, backtrace.omitted), (TrapCode::Unreachable, 0));
    let frames = backtrace.frames.iter();
    frames
        .map(|frame| match frame.place {
            FramePlace::Wasm { wasm, .. } => (frame.func.unwrap().0, wasm.0),
            FramePlace::Host => panic!("{frame:?}"),
        })
        .collect()
}

#[test]
fn a_trap_in_an_inlined_function_has_the_frames_around_it() {
    assert_eq!(trace([(0, trapping())]), [(0, 30)]);
    let mut code = trapping();
    code.sites.details = inlined(CodeOffset(BODY.0 + 2));
    assert_eq!(trace([(0, code)]), [(2, 30), (1, 20), (0, 10)]);
}

#[test]
fn a_call_in_an_inlined_function_has_the_frames_around_it() {
    let plain = [(0, calling()), (3, trapping())];
    assert_eq!(trace(plain), [(3, 30), (0, 40)]);
    let mut code = calling();
    // The return address belongs to the function itself, the call to what is inlined.
    code.sites.details = inlined(code.sites.calls[0].code);
    let functions = [(0, code), (3, trapping())];
    assert_eq!(trace(functions), [(3, 30), (2, 40), (1, 20), (0, 10)]);
}
