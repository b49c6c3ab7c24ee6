//! Function types of an engine: one id each, and the trampolines that go with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, OnceLock, RwLock};

use upshift_abi::compiler::{Passing, Trampolines};
use upshift_abi::vmctx::VmSlot;
use upshift_abi::{CompiledFunction, FuncType, TypeId};

use crate::code::{CodeAddr, CodeKind, CodeRef, CodeSpace};
use crate::error::RuntimeError;

/// The trampolines of one signature.
#[derive(Debug)]
pub struct TypeTrampolines {
    ty: Arc<FuncType>,
    array: Pair,
    native: Pair,
}

/// The trampolines for one way of passing values, each compiled when it is first asked for.
#[derive(Debug, Default)]
struct Pair {
    entry: OnceLock<CodeRef>,
    host: OnceLock<HostTrampoline>,
}

impl TypeTrampolines {
    fn pair(&self, passing: Passing) -> &Pair {
        match passing {
            Passing::Array => &self.array,
            Passing::Native => &self.native,
        }
    }
}

/// A host trampoline with the slot that all host functions of its type and kind share.
#[derive(Debug)]
struct HostTrampoline {
    slot: VmSlot,
    _code: CodeRef,
}

#[derive(Default)]
struct Types {
    ids: HashMap<Arc<FuncType>, TypeId>,
    entries: Vec<Arc<TypeTrampolines>>,
}

/// All function types that an engine has seen.
pub struct TypeRegistry {
    types: RwLock<Types>,
    compiler: Box<dyn Trampolines>,
}

impl TypeRegistry {
    pub fn new(compiler: Box<dyn Trampolines>) -> Self {
        Self {
            types: RwLock::default(),
            compiler,
        }
    }

    pub fn register(&self, ty: &FuncType) -> TypeId {
        if let Some(&id) = self.types.read().expect(POISON).ids.get(ty) {
            return id;
        }
        let mut types = self.types.write().expect(POISON);
        if let Some(&id) = types.ids.get(ty) {
            return id;
        }
        let id = TypeId(types.entries.len() as u32);
        let ty = Arc::new(ty.clone());
        types.ids.insert(ty.clone(), id);
        types.entries.push(Arc::new(TypeTrampolines {
            ty,
            array: Pair::default(),
            native: Pair::default(),
        }));
        id
    }

    pub fn func_type(&self, id: TypeId) -> Arc<FuncType> {
        self.trampolines(id).ty.clone()
    }

    /// The type's trampolines.
    pub fn trampolines(&self, id: TypeId) -> Arc<TypeTrampolines> {
        self.types.read().expect(POISON).entries[id.0 as usize].clone()
    }

    /// The code that leads from Rust into any function of the type. It lives as long as `of`.
    pub fn entry(
        &self,
        of: &TypeTrampolines,
        passing: Passing,
        code: &Arc<CodeSpace>,
    ) -> Result<CodeAddr, RuntimeError> {
        let cell = &of.pair(passing).entry;
        if cell.get().is_none() {
            // Another thread may have been faster; its code serves as well.
            let _ = cell.set(place(code, self.compiler.entry(&of.ty, passing))?);
        }
        Ok(cell.get().expect("just set").addr())
    }

    /// The slot of host functions of the type. It lives as long as `of`.
    pub fn host_slot(
        &self,
        of: &TypeTrampolines,
        passing: Passing,
        code: &Arc<CodeSpace>,
    ) -> Result<*const VmSlot, RuntimeError> {
        let cell = &of.pair(passing).host;
        if cell.get().is_none() {
            let code = place(code, self.compiler.host(&of.ty, passing))?;
            let slot = VmSlot(AtomicPtr::new(code.addr().get() as *mut u8));
            // As in `entry`.
            let _ = cell.set(HostTrampoline { slot, _code: code });
        }
        Ok(&cell.get().expect("just set").slot)
    }
}

fn place(code: &Arc<CodeSpace>, compiled: CompiledFunction) -> Result<CodeRef, RuntimeError> {
    CodeSpace::place(code, CodeKind::Trampoline, compiled, &|_| {
        unreachable!("trampolines refer to builtins only")
    })
}

impl fmt::Debug for TypeRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.types.read().expect(POISON);
        f.debug_struct("TypeRegistry")
            .field("types", &types.entries.len())
            .finish()
    }
}

const POISON: &str = "no panic happens under this lock";
