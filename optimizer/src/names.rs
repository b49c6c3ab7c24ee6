//! Cranelift's names of the symbols that generated code refers to.

use cranelift_codegen::ir::UserExternalName;
use upshift_abi::{Builtin, DefinedFuncIndex};

const FUNCTIONS: u32 = 0;
const BUILTINS: u32 = 1;

/// A symbol outside the function that its code refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// A function of the module: its code if referred to directly, its slot if through a cell.
    Function(DefinedFuncIndex),
    /// A builtin, always through its cell.
    Builtin(Builtin),
}

impl Symbol {
    /// The name for Cranelift.
    pub(crate) fn name(self) -> UserExternalName {
        match self {
            Symbol::Function(func) => UserExternalName::new(FUNCTIONS, func.0),
            Symbol::Builtin(builtin) => UserExternalName::new(BUILTINS, builtin as u32),
        }
    }

    /// The symbol of Cranelift's name.
    pub(crate) fn from_name(name: &UserExternalName) -> Option<Self> {
        match name.namespace {
            FUNCTIONS => Some(Symbol::Function(DefinedFuncIndex(name.index))),
            BUILTINS => {
                let builtin = Builtin::ALL.get(name.index as usize);
                builtin.copied().map(Symbol::Builtin)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let functions = [0, 1, u32::MAX].map(|n| Symbol::Function(DefinedFuncIndex(n)));
        let builtins = Builtin::ALL.iter().copied().map(Symbol::Builtin);
        for symbol in functions.into_iter().chain(builtins) {
            assert_eq!(Symbol::from_name(&symbol.name()), Some(symbol));
        }
        assert_eq!(Symbol::from_name(&UserExternalName::new(7, 0)), None);
    }
}
