//! The size of a frame that an artifact states is the distance from `rbp` to `rsp`, saved registers
//! included: exception handlers start with that stack pointer.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};
use upshift_abi::facts::decode;
use upshift_abi::{CompileRequest, Compiler, DefinedFuncIndex};
use upshift_baseline::{Baseline, BaselineOptions};

/// The stated size of the only function's frame, and its instructions.
fn compile(body: &str) -> (u32, Vec<Instruction>) {
    let text = format!("(module (memory 1) (func {body}))");
    let wasm = wat::parse_str(text).expect("a valid module");
    let mut facts = decode(&wasm).expect("a valid module").facts;
    facts.number_types();
    let request = CompileRequest::new(&facts, &wasm, DefinedFuncIndex(0));
    let compiler = Baseline::new(BaselineOptions::default());
    let function = compiler.session().compile(request).expect("compiles");
    let code = Decoder::new(64, function.instructions(), DecoderOptions::NONE);
    (function.frame_size, code.into_iter().collect())
}

#[test]
fn the_frame_ends_at_the_stack_pointer() {
    let call = "(drop (memory.grow (local.get 0)))";
    let in_registers = format!("(local i32) (loop {call} {call} (br_if 0 (local.get 0)))");
    for (body, saves) in [
        ("(drop (memory.grow (i32.const 1)))", false),
        (&in_registers, true),
        ("(block (try_table (catch_all 0) (call 0)))", true),
        // The registers that the tail call does not restore are above the others.
        (
            "(if (i32.const 1) (then (return_call 0))) (block (try_table (catch_all 0) (call 0)))",
            true,
        ),
    ] {
        let (size, code) = compile(body);
        let stack = |i: &&Instruction| i.op0_register() == Register::RSP;
        let mut lowered = 0;
        for sub in code
            .iter()
            .filter(stack)
            .filter(|i| i.mnemonic() == Mnemonic::Sub)
        {
            lowered += sub.immediate(1);
        }
        let saved = code.iter().filter(|i| i.mnemonic() == Mnemonic::Push);
        let saved = saved.filter(|i| i.op0_register() != Register::RBP).count();
        assert_eq!(saved > 0, saves, "{body}");
        assert_eq!(lowered + 8 * saved as u64, u64::from(size), "{body}");
    }
}
