//! The locations that [`upshift_abi::callconv`] computes are those that Cranelift uses.
//!
//! Functions that only permute their parameters are compiled and run on symbols instead of values:
//! a register or stack slot holds the number of the parameter that it got its value from. What the
//! result locations hold in the end must be what the function says it returns.

mod common;

use std::collections::HashMap;

use common::{Module, compile, optimizer};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use upshift_abi::callconv::{
    ArgLocation, CALLEE_SAVED, Gpr, Locations, ResultLocation, VMCTX, Xmm,
};
use upshift_abi::{CompileUnit, FuncType, ValType};

const GPRS: [Register; 16] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RBX,
    Register::RSP,
    Register::RBP,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// What a register or slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Param(usize),
    ResultArea,
    VmContext,
    ReturnAddress,
    CallerFp,
    Preserved(Register),
    /// The address this far from `rsp` at the first instruction.
    Stack(i64),
}

/// A place: a full register, a stack slot by its offset from the first `rsp`, or a result area
/// offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Reg(Register),
    Stack(i64),
    Area(i64),
}

struct Machine {
    state: HashMap<Place, Symbol>,
}

impl Machine {
    /// The state at a function's first instruction.
    fn new(ty: &FuncType, locations: &Locations) -> Self {
        let mut state = HashMap::new();
        for reg in CALLEE_SAVED.map(gpr) {
            state.insert(Place::Reg(reg), Symbol::Preserved(reg));
        }
        state.insert(Place::Reg(Register::RSP), Symbol::Stack(0));
        state.insert(Place::Reg(Register::RBP), Symbol::CallerFp);
        state.insert(Place::Stack(0), Symbol::ReturnAddress);
        state.insert(Place::Reg(gpr(VMCTX)), Symbol::VmContext);
        if locations.has_result_area() {
            let place = Place::Reg(gpr(upshift_abi::callconv::RESULT_AREA));
            state.insert(place, Symbol::ResultArea);
        }
        for (i, &(_, location)) in locations.params.iter().enumerate() {
            let place = match location {
                ArgLocation::Int(reg) => Place::Reg(gpr(reg)),
                ArgLocation::Float(reg) => Place::Reg(xmm(reg)),
                ArgLocation::Stack(offset) => Place::Stack(8 + i64::from(offset)),
            };
            assert_eq!(state.insert(place, Symbol::Param(i)), None, "{ty}");
        }
        Self { state }
    }

    fn get(&self, place: Place) -> Option<Symbol> {
        self.state.get(&place).copied()
    }

    fn set(&mut self, place: Place, symbol: Option<Symbol>) {
        match symbol {
            Some(symbol) => self.state.insert(place, symbol),
            None => self.state.remove(&place),
        };
    }

    fn rsp(&self) -> i64 {
        match self.get(Place::Reg(Register::RSP)) {
            Some(Symbol::Stack(offset)) => offset,
            other => panic!("rsp holds {other:?}"),
        }
    }

    fn operand(&self, instruction: &Instruction, n: u32) -> Option<Place> {
        match instruction.op_kind(n) {
            OpKind::Register => Some(Place::Reg(full(instruction.op_register(n)))),
            OpKind::Memory => {
                let disp = instruction.memory_displacement64() as i64;
                match self.get(Place::Reg(instruction.memory_base())) {
                    Some(Symbol::Stack(base)) => Some(Place::Stack(base + disp)),
                    Some(Symbol::ResultArea) => Some(Place::Area(disp)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Executes; true at the return.
    fn step(&mut self, instruction: &Instruction) -> bool {
        let rsp = Place::Reg(Register::RSP);
        match instruction.mnemonic() {
            Mnemonic::Push => {
                let symbol = self
                    .operand(instruction, 0)
                    .and_then(|place| self.get(place));
                let to = self.rsp() - 8;
                self.set(rsp, Some(Symbol::Stack(to)));
                self.set(Place::Stack(to), symbol);
            }
            Mnemonic::Pop => {
                let from = self.rsp();
                let symbol = self.get(Place::Stack(from));
                self.set(self.operand(instruction, 0).unwrap(), symbol);
                self.set(rsp, Some(Symbol::Stack(from + 8)));
            }
            Mnemonic::Sub | Mnemonic::Add if instruction.op0_register() == Register::RSP => {
                let amount = instruction.immediate(1) as i64;
                let sign = if instruction.mnemonic() == Mnemonic::Sub {
                    -1
                } else {
                    1
                };
                self.set(rsp, Some(Symbol::Stack(self.rsp() + sign * amount)));
            }
            Mnemonic::Mov
            | Mnemonic::Movaps
            | Mnemonic::Movups
            | Mnemonic::Movss
            | Mnemonic::Movsd
            | Mnemonic::Movq
            | Mnemonic::Movd
            | Mnemonic::Movdqa
            | Mnemonic::Movdqu
            | Mnemonic::Vmovaps
            | Mnemonic::Vmovups
            | Mnemonic::Vmovss
            | Mnemonic::Vmovsd
            | Mnemonic::Vmovdqu
            | Mnemonic::Vmovdqa => {
                let source = self.operand(instruction, instruction.op_count() - 1);
                let symbol = source.and_then(|place| self.get(place));
                self.set(self.operand(instruction, 0).unwrap(), symbol);
            }
            Mnemonic::Cmp | Mnemonic::Ja | Mnemonic::Jbe | Mnemonic::Nop => {}
            Mnemonic::Ret => return true,
            // Whatever else there is computes something new: the stack check.
            _ => {
                let target = self.operand(instruction, 0).expect("a known instruction");
                self.set(target, None);
            }
        }
        false
    }
}

/// The whole of a register that an instruction uses the low half of.
fn full(reg: Register) -> Register {
    if (Register::EAX..=Register::R15D).contains(&reg) {
        Register::RAX + (reg as u32 - Register::EAX as u32)
    } else {
        reg
    }
}

fn gpr(reg: Gpr) -> Register {
    GPRS[reg.0 as usize]
}

fn xmm(reg: Xmm) -> Register {
    Register::XMM0 + u32::from(reg.0)
}

/// Compiles a function that returns the parameters with the given numbers, and checks it.
fn check(params: &[ValType], returned: &[usize]) {
    let results: Vec<ValType> = returned.iter().map(|&i| params[i]).collect();
    let ty = FuncType::new(params, results);
    let list = |types: &[ValType]| types.iter().map(|ty| format!(" {ty}")).collect::<String>();
    let gets: String = returned
        .iter()
        .map(|i| format!("(local.get {i})"))
        .collect();
    let (params, results) = (list(&ty.params), list(&ty.results));
    let wat = format!("(module (func (param{params}) (result{results}) {gets}))");
    let module = Module::new(&wat);
    let compiled = compile(&optimizer(), &module, 0, CompileUnit::Function).unwrap();

    let locations = Locations::of(&ty);
    let mut machine = Machine::new(&ty, &locations);
    let mut popped = None;
    for instruction in Decoder::new(64, &compiled.code, DecoderOptions::NONE).iter() {
        if machine.step(&instruction) {
            let immediate = instruction.op_count() > 0;
            popped = Some(if immediate {
                instruction.immediate16()
            } else {
                0
            });
            break;
        }
    }

    assert_eq!(popped.map(u32::from), Some(locations.stack_args), "{ty}");
    assert_eq!(
        machine.get(Place::Stack(machine.rsp())),
        Some(Symbol::ReturnAddress),
        "{ty}"
    );
    assert_eq!(
        machine.get(Place::Reg(Register::RBP)),
        Some(Symbol::CallerFp),
        "{ty}"
    );
    for reg in CALLEE_SAVED.map(gpr) {
        assert_eq!(
            machine.get(Place::Reg(reg)),
            Some(Symbol::Preserved(reg)),
            "{ty}"
        );
    }
    for (&param, &(_, location)) in returned.iter().zip(&locations.results) {
        let place = match location {
            ResultLocation::Int(reg) => Place::Reg(gpr(reg)),
            ResultLocation::Float(reg) => Place::Reg(xmm(reg)),
            ResultLocation::Area(offset) => Place::Area(offset.into()),
        };
        assert_eq!(
            machine.get(place),
            Some(Symbol::Param(param)),
            "{ty}: {place:?}"
        );
    }
}

#[test]
fn parameters_one_by_one() {
    use ValType::{F32, F64, I32, I64};
    let mixed: Vec<ValType> = [I32, F64, I64, F32].into_iter().cycle().take(30).collect();
    for params in [
        vec![I32; 9],
        vec![I64; 8],
        vec![F32; 11],
        vec![F64; 10],
        mixed,
    ] {
        for i in 0..params.len() {
            check(&params, &[i]);
        }
    }
}

#[test]
fn results_in_registers_and_in_the_area() {
    use ValType::{F64, I32, I64};
    const FUNCREF: ValType = ValType::FUNCREF;
    for count in 1..=7 {
        let reversed: Vec<usize> = (0..count).rev().collect();
        check(&vec![I64; count], &reversed);
        check(&vec![F64; count], &reversed);
    }
    let mixed = [
        I32, F64, I64, F64, I32, F64, FUNCREF, F64, I64, F64, I64, I32,
    ];
    check(&mixed, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    check(&mixed, &[0, 0, 0, 0, 0, 0]);
}
