//! Gives each wait of a generated module a deadline so near that the program ends: there is no
//! other thread that would notify it.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, Function, Instruction, Module};
use wasmparser::{Operator, Parser};

/// How long a wait lasts, in nanoseconds.
const TIMEOUT: i64 = 1000;

/// Rewrites a module, which is valid.
pub fn shorten(wasm: &[u8]) -> Vec<u8> {
    let mut module = Module::new();
    Shortener
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .expect("valid modules can be encoded again");
    module.finish()
}

struct Shortener;

impl Reencode for Shortener {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        function: wasmparser::FunctionBody<'_>,
    ) -> Result<(), Error> {
        let mut shortened: Function = self.new_function_with_parsed_locals(&function)?;
        for operator in function.get_operators_reader()? {
            let operator = operator?;
            if let Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. } =
                operator
            {
                shortened.instruction(&Instruction::Drop);
                shortened.instruction(&Instruction::I64Const(TIMEOUT));
            }
            shortened.instruction(&self.instruction(operator)?);
        }
        code.function(&shortened);
        Ok(())
    }
}
