//! Function types of an engine: one id each, and the trampolines that go with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, OnceLock, RwLock};

use upshift_abi::compiler::Trampolines;
use upshift_abi::vmctx::VmSlot;
use upshift_abi::{FuncType, TypeId};

use crate::code::{CodeKind, CodeRef, CodeSpace};
use crate::error::RuntimeError;

/// The trampolines of one signature.
#[derive(Debug)]
pub struct TypeTrampolines {
    /// From Rust into any function of the type.
    pub entry: CodeRef,
    /// The slot that all host functions of the type share.
    pub host_slot: VmSlot,
    _host: CodeRef,
}

struct Entry {
    ty: Arc<FuncType>,
    trampolines: Arc<OnceLock<TypeTrampolines>>,
}

#[derive(Default)]
struct Types {
    ids: HashMap<Arc<FuncType>, TypeId>,
    entries: Vec<Entry>,
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
        types.entries.push(Entry {
            ty,
            trampolines: Arc::default(),
        });
        id
    }

    pub fn func_type(&self, id: TypeId) -> Arc<FuncType> {
        self.types.read().expect(POISON).entries[id.0 as usize]
            .ty
            .clone()
    }

    /// The type's trampolines, compiled on first use. They live as long as the returned value.
    pub fn trampolines(
        &self,
        id: TypeId,
        code: &Arc<CodeSpace>,
    ) -> Result<Arc<OnceLock<TypeTrampolines>>, RuntimeError> {
        let (ty, cell) = {
            let types = self.types.read().expect(POISON);
            let entry = &types.entries[id.0 as usize];
            (entry.ty.clone(), entry.trampolines.clone())
        };
        if cell.get().is_none() {
            let place = |compiled| {
                CodeSpace::place(code, CodeKind::Trampoline, compiled, &|_| {
                    unreachable!("trampolines refer to builtins only")
                })
            };
            let entry = place(self.compiler.entry(&ty))?;
            let host = place(self.compiler.host(&ty))?;
            // Another thread may have been faster; its pieces serve as well.
            let _ = cell.set(TypeTrampolines {
                entry,
                host_slot: VmSlot(AtomicPtr::new(host.addr().get() as *mut u8)),
                _host: host,
            });
        }
        Ok(cell)
    }
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
