//! What artifacts say about their code: relocations, traps, calls, sources; and validation on the
//! way.

mod common;

use common::{Module, checked, compile, optimizer};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use upshift_abi::facts::decode;
use upshift_abi::{
    Builtin, CodeOffset, CompileError, CompileRequest, CompileUnit, CompiledFunction, Compiler,
    DefinedFuncIndex, LoopIndex, RelocationTarget, Tier, TrapCode, WasmOffset,
};
use upshift_optimizer::{Cpu, Dispatch, Inline, Optimizer, OptimizerOptions, SelfCalls};

const MODULE: &str = r#"(module
    (memory 1)
    (func $self (param i32) (result i32)
        (loop
            (drop (call $self (i32.load (local.get 0))))
            (drop (call $other (i32.div_u (i32.const 1) (local.get 0))))
            (drop (memory.grow (local.get 0)))
            (br_if 0 (local.get 0)))
        (unreachable))
    (func $other (param i32) (result i32) (i32.trunc_f64_s (f64.convert_i32_u (local.get 0)))))"#;

/// An optimizer that leaves calls as they are.
fn calling() -> Optimizer {
    Optimizer::new(OptimizerOptions {
        inline: Inline::None,
        ..checked()
    })
    .unwrap()
}

fn targets(compiled: &CompiledFunction) -> Vec<RelocationTarget> {
    compiled
        .relocations
        .iter()
        .map(|relocation| relocation.target)
        .collect()
}

fn instructions(compiled: &CompiledFunction) -> Vec<Instruction> {
    let code = Decoder::new(64, &compiled.code, DecoderOptions::NONE);
    code.into_iter().collect()
}

#[test]
fn relocations() {
    let module = Module::new(MODULE);
    let optimizer = calling();
    let other = RelocationTarget::Slot(DefinedFuncIndex(1));
    let grow = RelocationTarget::Builtin(Builtin::MemoryGrow);

    let function = compile(&optimizer, &module, 0, CompileUnit::Function).unwrap();
    assert_eq!(targets(&function), [RelocationTarget::Start, other, grow]);

    // An OSR entry is not the function: recursion goes through the slot.
    let entry = CompileUnit::Loop(LoopIndex(0));
    let entry = compile(&optimizer, &module, 0, entry).unwrap();
    let this = RelocationTarget::Slot(DefinedFuncIndex(0));
    assert_eq!(targets(&entry), [this, other, grow]);

    for compiled in [function, entry] {
        let instructions = instructions(&compiled);
        for relocation in &compiled.relocations {
            let mut ends = instructions.iter().map(|i| i.next_ip() as u32);
            // The field ends its instruction, so -4 makes the target itself the operand.
            assert_eq!(relocation.addend, -4);
            assert!(ends.any(|end| end == relocation.offset.0 + 4));
        }
    }
}

#[test]
fn traps_are_where_they_say() {
    let module = Module::new(MODULE);
    let compiled = compile(&optimizer(), &module, 0, CompileUnit::Function).unwrap();
    let at = |trap: TrapCode| {
        let mut sites = compiled.sites.traps.iter().filter(|site| site.trap == trap);
        let site = sites.next().unwrap_or_else(|| panic!("no {trap}"));
        let instruction = instructions(&compiled)
            .into_iter()
            .find(|instruction| instruction.ip() as u32 == site.code.0);
        let opcode = module.wasm[site.wasm.0 as usize];
        (instruction.expect("at an instruction").mnemonic(), opcode)
    };
    const I32_LOAD: u8 = 0x28;
    const I32_DIV_U: u8 = 0x6e;
    const UNREACHABLE: u8 = 0x00;
    assert_eq!(at(TrapCode::MemoryOutOfBounds), (Mnemonic::Mov, I32_LOAD));
    assert_eq!(at(TrapCode::IntegerDivideByZero).1, I32_DIV_U);
    assert_eq!(at(TrapCode::Unreachable), (Mnemonic::Ud2, UNREACHABLE));
    assert_eq!(at(TrapCode::StackOverflow).0, Mnemonic::Ud2);
}

/// An interpreter of five operations, each of which jumps back to the loop's header.
const INTERPRETER: &str = r#"(module
    (memory 1)
    (func (param $pc i32)
        (loop $next
            (block (block (block (block (block
                (br_table 0 1 2 3 4 3 (i32.load8_u (local.get $pc))))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1))) (br $next))
                (local.set $pc (i32.sub (local.get $pc) (i32.const 2))) (br $next))
                (local.set $pc (i32.mul (local.get $pc) (i32.const 3))) (br $next))
                (local.set $pc (i32.xor (local.get $pc) (i32.const 4))) (br $next)))))"#;

/// Each copy of dispatch code has the traps and sources of the code, and an indirect jump.
#[test]
fn copied_dispatch_is_described_as_its_original() {
    let module = Module::new(INTERPRETER);
    let code = |dispatch| {
        let options = OptimizerOptions {
            dispatch,
            ..checked()
        };
        let optimizer = Optimizer::new(options).unwrap();
        let request = CompileRequest {
            sources: true,
            ..module.request(0, CompileUnit::Function)
        };
        optimizer.session().compile(request).unwrap()
    };
    let shared = code(Dispatch::Shared);
    let copied = code(Dispatch::Copied);
    let [load] = *shared.sites.traps else {
        panic!("{:?}", shared.sites.traps)
    };
    assert_eq!(copied.sites.traps.len(), 5);
    assert_eq!(
        copied.code[load.code.0 as usize..][..4],
        shared.code[load.code.0 as usize..][..4]
    );
    for (index, site) in copied.sites.traps.iter().enumerate() {
        assert_eq!((site.wasm, site.trap), (load.wasm, load.trap));
        let code = &copied.code[site.code.0 as usize..];
        let code: Vec<_> = Decoder::new(64, code, DecoderOptions::NONE)
            .into_iter()
            .collect();
        assert_eq!(code[0].mnemonic(), Mnemonic::Movzx);
        let jump = code
            .iter()
            .find(|instruction| instruction.mnemonic() == Mnemonic::Jmp);
        assert_eq!(jump.unwrap().op0_kind(), OpKind::Register);
        let sources = &copied.sources;
        let behind = sources.partition_point(|source| source.code <= site.code);
        assert_eq!(sources[behind - 1].wasm, load.wasm, "copy {index}");
    }
}

#[test]
fn calls_are_where_they_say() {
    let module = Module::new(MODULE);
    let compiled = compile(&calling(), &module, 0, CompileUnit::Function).unwrap();
    let calls: Vec<_> = instructions(&compiled)
        .into_iter()
        .filter(|instruction| instruction.mnemonic() == Mnemonic::Call)
        .map(|instruction| CodeOffset(instruction.next_ip() as u32))
        .collect();
    let listed: Vec<_> = compiled.sites.calls.iter().map(|site| site.code).collect();
    assert_eq!(calls, listed);
    let opcodes = compiled
        .sites
        .calls
        .iter()
        .map(|site| module.wasm[site.wasm.0 as usize]);
    const CALL: u8 = 0x10;
    const MEMORY_GROW: u8 = 0x40;
    assert_eq!(opcodes.collect::<Vec<_>>(), [CALL, CALL, MEMORY_GROW]);
}

/// A leaf walks no stack, so its call is no call site; those right before and behind it are.
#[test]
fn calls_of_leaves_are_not_listed() {
    let module = Module::new(
        "(module
            (func (param f64) (result f64)
                (call 0 (f64.ceil (call 0 (local.get 0))))))",
    );
    let options = OptimizerOptions {
        cpu: Cpu::Baseline,
        self_calls: SelfCalls::Slot,
        inline: Inline::None,
        ..checked()
    };
    let optimizer = Optimizer::new(options).unwrap();
    let compiled = compile(&optimizer, &module, 0, CompileUnit::Function).unwrap();
    let own = RelocationTarget::Slot(DefinedFuncIndex(0));
    let ceil = RelocationTarget::Builtin(Builtin::F64Ceil);
    let code = instructions(&compiled);
    let calls: Vec<_> = code
        .iter()
        .filter(|instruction| instruction.mnemonic() == Mnemonic::Call)
        .map(|instruction| CodeOffset(instruction.next_ip() as u32))
        .collect();
    assert_eq!(targets(&compiled), [own, ceil, own]);
    let listed: Vec<_> = compiled.sites.calls.iter().map(|site| site.code).collect();
    assert_eq!(listed, [calls[0], calls[2]]);
}

/// The stack pointer is as far below `rbp` as the frame is large: what an exception handler needs.
#[test]
fn the_frame_ends_at_the_stack_pointer() {
    let module = Module::new(MODULE);
    let compiled = compile(&optimizer(), &module, 0, CompileUnit::Function).unwrap();
    let code = instructions(&compiled);
    let lowers =
        |i: &&Instruction| i.mnemonic() == Mnemonic::Sub && i.op0_register() == Register::RSP;
    let lowered: Vec<_> = code.iter().filter(lowers).map(|i| i.immediate(1)).collect();
    assert_eq!(lowered, [u64::from(compiled.frame_size)]);
}

#[test]
fn sources_if_asked_for() {
    let module = Module::new(MODULE);
    let optimizer = optimizer();
    let mut request = module.request(0, CompileUnit::Function);
    request.sources = true;
    let compiled = optimizer.session().compile(request).unwrap();
    let sources = &compiled.sources;
    assert_eq!(sources[0].code, CodeOffset(0));
    assert_eq!(sources[0].wasm, WasmOffset(module.facts.bodies[0].start));
    assert!(sources.is_sorted_by(|a, b| a.code < b.code && a.wasm != b.wasm));
    for site in &compiled.sites.traps {
        let run = sources.partition_point(|run| run.code <= site.code) - 1;
        assert_eq!(sources[run].wasm, site.wasm);
    }
    let without = compile(&optimizer, &module, 0, CompileUnit::Function).unwrap();
    // Landmarks: each as it is among all.
    let mut landmarks = without.sources.iter();
    assert!(landmarks.all(|landmark| sources.contains(landmark)));
    assert_eq!(without.code, compiled.code);
    assert_eq!(without.stats.tier, Some(Tier::Optimizer));
}

#[test]
fn validation_in_the_same_request() {
    for (body, valid) in [("(i32.const 1)", true), ("(i64.const 1)", false)] {
        let wat = format!("(module (func (result i32) {body}))");
        let wasm = wat::parse_str(wat).unwrap();
        let decoded = decode(&wasm).unwrap();
        let request = CompileRequest {
            validate: decoded.validators.into_iter().next(),
            ..CompileRequest::new(&decoded.facts, &wasm, DefinedFuncIndex(0))
        };
        match optimizer().session().compile(request) {
            Ok(_) => assert!(valid),
            Err(CompileError::Invalid { offset, .. }) => {
                assert!(!valid && decoded.facts.bodies[0].contains(&offset));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Between the instruction that lowers `rbp` and the one that copies the return address there,
/// `rbp` leads to no frame.
#[test]
fn a_frame_that_moves_is_marked() {
    let many = "(i64.const 7)".repeat(20);
    let module = Module::new(&format!(
        "(module
            (func (return_call $many {many}))
            (func $many (param {types}) (return_call 0))
            (func (call $many {many})))",
        types = "i64 ".repeat(20)
    ));
    let compiled = |func| compile(&optimizer(), &module, func, CompileUnit::Function).unwrap();
    for func in [1, 2] {
        assert_eq!(
            compiled(func).frame_moves,
            None,
            "no arguments that need more room"
        );
    }
    let growing = compiled(0);
    let moves = growing
        .frame_moves
        .clone()
        .expect("a prologue that makes room");
    let moving: Vec<_> = instructions(&growing)
        .into_iter()
        .filter(|i| moves.contains(&CodeOffset(i.ip() as u32)))
        .collect();
    let lowers_rbp =
        |i: &Instruction| i.mnemonic() == Mnemonic::Mov && i.op0_register() == Register::RBP;
    // The frame is made, and then lowered with the stack pointer.
    assert_eq!(moving.iter().filter(|i| lowers_rbp(i)).count(), 2);
    let copies =
        |i: &&Instruction| i.memory_base() == Register::RSP && i.op0_kind() == OpKind::Memory;
    let copied: Vec<_> = moving
        .iter()
        .filter(copies)
        .map(Instruction::memory_displacement64)
        .collect();
    assert_eq!(
        copied,
        [0, 8],
        "the caller's frame pointer and the return address"
    );
    assert_eq!(
        moving.last().map(Instruction::op0_kind),
        Some(OpKind::Memory)
    );
}

/// All ways out of a function, with and without a frame, registers to restore and arguments on the
/// stack, and constants that look like an epilogue.
#[test]
fn epilogues_pop_without_a_move() {
    const EPILOGUE: u64 = 0xc35d_ec89_4800_0000;
    let stack_args = "(local.get 0) ".repeat(12);
    let module = Module::new(&format!(
        r#"(module
        (type $small (func (param i64) (result i64)))
        (type $large (func (param {params}) (result i64)))
        (table 1 funcref)
        (func $leaf (type $small) (i64.rotl (local.get 0) (i64.const 1)))
        (func $constant (type $small) (i64.const {EPILOGUE}))
        (func $saves (type $small)
            (i64.add (call $leaf (local.get 0)) (i64.add (local.get 0) (call $leaf (i64.const 1)))))
        (func $tail (type $small)
            (if (i64.eqz (local.get 0)) (then (return (i64.const {EPILOGUE}))))
            (if (i64.eqz (call $leaf (local.get 0))) (then (return_call $leaf (local.get 0))))
            (return_call_indirect (type $small) (i64.const {EPILOGUE}) (i32.const 0)))
        (func $more (type $small) (return_call $large {stack_args}))
        (func $large (type $large) (return_call $leaf (i64.const {EPILOGUE}))))"#,
        params = "i64 ".repeat(12),
    ));
    let optimizer = optimizer();
    for func in 0..6 {
        let compiled = compile(&optimizer, &module, func, CompileUnit::Function).unwrap();
        let instructions = instructions(&compiled);
        let pops = instructions.iter().enumerate().filter(|(_, instruction)| {
            instruction.mnemonic() == Mnemonic::Pop && instruction.op0_register() == Register::RBP
        });
        let pops: Vec<usize> = pops.map(|(at, _)| at).collect();
        assert!(!pops.is_empty());
        for at in pops {
            let before = instructions[at - 1].mnemonic();
            assert_eq!(before, Mnemonic::Nop, "function {func}, instruction {at}");
        }
    }
    let constant = compile(&optimizer, &module, 1, CompileUnit::Function).unwrap();
    let constants: Vec<u64> = instructions(&constant)
        .iter()
        .map(|i| i.immediate64())
        .collect();
    assert!(constants.contains(&EPILOGUE));
}
