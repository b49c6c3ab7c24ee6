//! Signatures with their argument and result locations, computed once per session and type.

use std::rc::Rc;

use upshift_abi::callconv::{ArgLocation, Locations, ResultLocation};
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::{FuncType, Kind, ModuleFacts, TypeIndex};

/// A function type, ready for calls.
#[derive(Debug)]
pub(crate) struct CallSignature {
    ty: FuncType,
    pub(crate) params: Box<[(Kind, ArgLocation)]>,
    pub(crate) results: Box<[(Kind, ResultLocation)]>,
    /// Bytes of stack arguments.
    pub(crate) stack_args: u32,
    /// Bytes of the result area, or 0.
    pub(crate) result_area: u32,
}

impl CallSignature {
    fn new(ty: &FuncType) -> Self {
        Self::located(ty.clone(), Locations::of(ty))
    }

    fn located(ty: FuncType, locations: Locations) -> Self {
        Self {
            ty,
            params: locations.params,
            results: locations.results,
            stack_args: locations.stack_args,
            result_area: locations.result_area,
        }
    }

    /// A signature of values of these kinds, which no type may have.
    #[cfg(test)]
    pub(crate) fn of_kinds(params: &[Kind], results: &[Kind]) -> Self {
        let kinds = |kinds: &[Kind]| kinds.to_vec();
        Self::located(
            FuncType::new([], []),
            Locations::with(kinds(params), kinds(results)),
        )
    }

    /// Words of stack arguments.
    pub(crate) fn stack_words(&self) -> usize {
        (self.stack_args / WORD_BYTES) as usize
    }
}

/// Signatures by type index. A session may serve many modules, so an entry is used only if its type
/// is the requested one.
#[derive(Default)]
pub(crate) struct SignatureCache(Vec<Option<Rc<CallSignature>>>);

impl SignatureCache {
    /// The signature of a type.
    pub(crate) fn get(&mut self, facts: &ModuleFacts, index: TypeIndex) -> Rc<CallSignature> {
        let ty = &facts.types[index.index()];
        if self.0.len() <= index.index() {
            self.0.resize(facts.types.len(), None);
        }
        match &self.0[index.index()] {
            Some(sig) if sig.ty == *ty => sig.clone(),
            _ => {
                let sig = Rc::new(CallSignature::new(ty));
                self.0[index.index()] = Some(sig.clone());
                sig
            }
        }
    }
}
