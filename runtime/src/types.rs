//! Function types of an engine: one id each, and the trampolines that go with it, as long as the
//! type is in use.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use upshift_abi::compiler::{Passing, Trampolines};
use upshift_abi::vmctx::VmSlot;
use upshift_abi::{CompiledFunction, FuncType, TypeId};

use crate::code::{CodeAddr, CodeKind, CodeRef, CodeSpace, Trampoline};
use crate::error::RuntimeError;
use crate::sys::Process;

/// The trampolines of one signature.
#[derive(Debug)]
pub struct TypeTrampolines {
    ty: Arc<FuncType>,
    array: Pair,
    native: Pair,
}

/// The trampolines for one way of passing values, each compiled when first needed.
#[derive(Debug, Default)]
struct Pair {
    entry: OnceLock<CodeRef>,
    host: OnceLock<HostTrampoline>,
}

impl TypeTrampolines {
    /// The function type.
    pub fn func_type(&self) -> &FuncType {
        &self.ty
    }

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

/// A type that is in use.
struct Entry {
    ty: Arc<FuncType>,
    uses: usize,
    /// The types in use that it refers to, which it uses.
    refers_to: Box<[TypeId]>,
    /// Created when first needed: most types of most modules are never called from the host.
    trampolines: OnceLock<Arc<TypeTrampolines>>,
}

impl Entry {
    /// A type with one use that refers to no other.
    fn of(ty: FuncType) -> Self {
        Self {
            ty: Arc::new(ty),
            uses: 1,
            refers_to: Box::default(),
            trampolines: OnceLock::new(),
        }
    }

    fn trampolines(&self) -> Arc<TypeTrampolines> {
        let make = || {
            Arc::new(TypeTrampolines {
                ty: self.ty.clone(),
                array: Pair::default(),
                native: Pair::default(),
            })
        };
        self.trampolines.get_or_init(make).clone()
    }
}

/// The id that the type has unless another type in use has it: the same in all engines, whatever
/// they have met before, so that code which compares ids can be kept and run in another process
/// with the same build. A module that is made to have ids in common with another's types costs
/// itself that, and no more.
fn own_id(ty: &FuncType) -> TypeId {
    // `DefaultHasher::new` has no random keys.
    let mut hasher = DefaultHasher::new();
    ty.hash(&mut hasher);
    // 31 bits are an immediate operand with either sign.
    TypeId(hasher.finish() as u32 >> 1)
}

#[derive(Default)]
struct Types {
    ids: HashMap<Arc<FuncType>, TypeId>,
    entries: HashMap<TypeId, Entry>,
    /// Where the search for an id starts whose type's own is another type's.
    next: u32,
}

impl Types {
    /// Counts a use of the type, which gets an id if it has none. Its entry uses the types that it
    /// refers to. An id among them that is not in use any more is that of no function's type until
    /// such a type is in use again: so long, only null is a reference of such a type.
    fn add(&mut self, ty: &FuncType) -> TypeId {
        if let Some(&id) = self.ids.get(ty) {
            self.entry_mut(id).uses += 1;
            return id;
        }
        let mut id = own_id(ty);
        while self.entries.contains_key(&id) {
            id = TypeId(self.next);
            self.next = self.next.wrapping_add(1);
        }
        let mut refers_to: Vec<TypeId> = ty.refers_to().collect();
        refers_to.retain(|id| match self.entries.get_mut(id) {
            Some(entry) => {
                entry.uses += 1;
                true
            }
            None => false,
        });
        let entry = Entry {
            refers_to: refers_to.into(),
            ..Entry::of(ty.clone())
        };
        self.ids.insert(entry.ty.clone(), id);
        self.entries.insert(id, entry);
        id
    }

    fn entry(&self, id: TypeId) -> &Entry {
        self.entries.get(&id).expect(IN_USE)
    }

    fn entry_mut(&mut self, id: TypeId) -> &mut Entry {
        self.entries.get_mut(&id).expect(IN_USE)
    }

    /// Removes a use, and the type if that was the last one, with those that nothing else refers
    /// to. They go to `freed`.
    fn remove(&mut self, id: TypeId, freed: &mut Vec<Entry>) {
        let mut unused = vec![id];
        while let Some(id) = unused.pop() {
            let entry = self.entry_mut(id);
            entry.uses -= 1;
            if entry.uses > 0 {
                continue;
            }
            let entry = self.entries.remove(&id).expect(IN_USE);
            self.ids.remove(&entry.ty);
            unused.extend(&entry.refers_to);
            freed.push(entry);
        }
    }

    /// Frees memory once most of the types that needed it are gone.
    fn shrink(&mut self) {
        const SMALL: usize = 1024;
        let len = self.entries.len();
        if self.entries.capacity() > (4 * len).max(SMALL) {
            self.entries.shrink_to(2 * len);
            self.ids.shrink_to(2 * len);
        }
    }
}

/// The function types in use by an engine's modules and stores.
///
/// Generated code compares ids, so an id must mean one type as long as any code, function or store
/// knows it. A holder that keeps ids therefore keeps their [`TypeUses`]: a module those that its
/// code compares, a store those of its host functions and of the types that it called.
pub struct TypeRegistry {
    process: Process,
    types: RwLock<Types>,
    compiler: Box<dyn Trampolines>,
}

/// Types in use: their ids mean them as long as this exists.
pub struct TypeUses {
    registry: Arc<TypeRegistry>,
    ids: Box<[TypeId]>,
}

impl TypeUses {
    /// The types' ids, in the order in which the types were given.
    pub fn ids(&self) -> &[TypeId] {
        &self.ids
    }

    pub(crate) fn belong_to(&self, registry: &Arc<TypeRegistry>) -> bool {
        Arc::ptr_eq(&self.registry, registry)
    }
}

impl Drop for TypeUses {
    fn drop(&mut self) {
        if !self.registry.process.is_current() {
            // A forked child: a thread that it does not have may hold the lock.
            return;
        }
        let mut types = self.registry.write();
        let mut freed = Vec::new();
        self.ids.iter().for_each(|&id| types.remove(id, &mut freed));
        types.shrink();
        drop(types);
        // Not under the lock: trampolines free their code.
        drop(freed);
    }
}

impl fmt::Debug for TypeUses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeUses").field(&self.ids).finish()
    }
}

impl TypeRegistry {
    pub fn new(compiler: Box<dyn Trampolines>, process: Process) -> Arc<Self> {
        Arc::new(Self {
            process,
            types: RwLock::default(),
            compiler,
        })
    }

    /// # Panics
    ///
    /// In a forked child, if a thread that the child does not have holds the lock.
    fn read(&self) -> RwLockReadGuard<'_, Types> {
        if self.process.is_current() {
            return self.types.read().expect(POISON);
        }
        let types = self.types.try_read();
        types.unwrap_or_else(|_| panic!("{}", RuntimeError::Forked))
    }

    /// # Panics
    ///
    /// As [`read`](Self::read).
    fn write(&self) -> RwLockWriteGuard<'_, Types> {
        if self.process.is_current() {
            return self.types.write().expect(POISON);
        }
        let types = self.types.try_write();
        types.unwrap_or_else(|_| panic!("{}", RuntimeError::Forked))
    }

    /// Adds uses of types; equal types have equal ids.
    pub fn register(self: &Arc<Self>, tys: &[FuncType]) -> TypeUses {
        let mut types = self.write();
        TypeUses {
            ids: tys.iter().map(|ty| types.add(ty)).collect(),
            registry: self.clone(),
        }
    }

    /// Adds uses of a module's types, which refer to earlier ones of them by their index.
    pub fn register_module(self: &Arc<Self>, tys: &[FuncType]) -> TypeUses {
        let mut types = self.write();
        let mut ids: Vec<TypeId> = Vec::with_capacity(tys.len());
        for ty in tys {
            let id = match ty.refers_to().next() {
                Some(_) => types.add(&ty.with_ids(&ids)),
                None => types.add(ty),
            };
            ids.push(id);
        }
        TypeUses {
            ids: ids.into(),
            registry: self.clone(),
        }
    }

    /// Adds a use of a type that is in use already; returns it with the type's trampolines. `None`
    /// if no type in use has the id.
    pub fn reuse(self: &Arc<Self>, id: TypeId) -> Option<(TypeUses, Arc<TypeTrampolines>)> {
        let mut types = self.write();
        let entry = types.entries.get_mut(&id)?;
        entry.uses += 1;
        let uses = TypeUses {
            ids: Box::new([id]),
            registry: self.clone(),
        };
        Some((uses, entry.trampolines()))
    }

    pub fn func_type(&self, id: TypeId) -> Arc<FuncType> {
        self.read().entry(id).ty.clone()
    }

    /// The number of types in use.
    pub fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// The entry trampoline of the type, which leads from Rust into any function. It lives as long
    /// as `of`.
    pub fn entry(
        &self,
        of: &TypeTrampolines,
        passing: Passing,
        code: &Arc<CodeSpace>,
    ) -> Result<CodeAddr, RuntimeError> {
        let cell = &of.pair(passing).entry;
        if cell.get().is_none() {
            // Another thread may have stored its code first, which serves as well.
            let _ = cell.set(place(
                code,
                Trampoline::Entry,
                self.compiler.entry(&of.ty, passing),
            )?);
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
            let code = place(code, Trampoline::Host, self.compiler.host(&of.ty, passing))?;
            let slot = VmSlot(AtomicPtr::new(code.addr().get() as *mut u8));
            // As in `entry`.
            let _ = cell.set(HostTrampoline { slot, _code: code });
        }
        Ok(&cell.get().expect("just set").slot)
    }
}

fn place(
    code: &Arc<CodeSpace>,
    direction: Trampoline,
    compiled: CompiledFunction,
) -> Result<CodeRef, RuntimeError> {
    CodeSpace::place(
        code,
        CodeKind::Trampoline(direction),
        compiled,
        &|_| unreachable!("trampolines refer to builtins only"),
        None,
    )
}

impl fmt::Debug for TypeRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeRegistry")
            .field("types", &self.len())
            .finish()
    }
}

const IN_USE: &str = "an id is known only while its type is in use";

const POISON: &str = "no panic happens under this lock";

#[cfg(test)]
mod tests {
    use upshift_abi::{HeapType, RefType, TypeId, ValType};

    use super::*;

    struct NoCompiler;

    impl Trampolines for NoCompiler {
        fn entry(&self, _: &FuncType, _: Passing) -> CompiledFunction {
            unreachable!("nothing is called")
        }

        fn host(&self, _: &FuncType, _: Passing) -> CompiledFunction {
            unreachable!("nothing is called")
        }
    }

    fn ty(params: usize) -> FuncType {
        FuncType::new(vec![ValType::I32; params], &[][..])
    }

    #[test]
    fn types_live_as_long_as_their_last_use() {
        let registry = TypeRegistry::new(Box::new(NoCompiler), Process::current());
        let first = registry.register(&[ty(0), ty(1), ty(0)]);
        assert_eq!(first.ids()[0], first.ids()[2]);
        assert_ne!(first.ids()[0], first.ids()[1]);
        let second = registry.register(&[ty(1)]);
        assert_eq!(second.ids()[0], first.ids()[1]);
        let id = second.ids()[0];
        let (third, _) = registry.reuse(id).unwrap();
        drop(first);
        assert_eq!(registry.len(), 1);
        drop(second);
        assert_eq!(*registry.func_type(third.ids()[0]), ty(1));
        drop(third);
        assert_eq!(registry.len(), 0);
        assert!(registry.reuse(id).is_none());
    }

    #[test]
    fn a_type_may_refer_to_one_that_is_gone() {
        let registry = TypeRegistry::new(Box::new(NoCompiler), Process::current());
        let first = registry.register(&[ty(0)]);
        let gone = first.ids()[0];
        let reference = RefType::new(true, HeapType::ConcreteFunc(gone));
        let refers = |registry: &Arc<TypeRegistry>| {
            registry.register(&[FuncType::new(vec![ValType::Ref(reference)], &[][..])])
        };
        let second = refers(&registry);
        drop(first);
        assert_eq!(registry.len(), 2, "the second refers to the first");
        drop(second);
        assert_eq!(registry.len(), 0);
        let stale = refers(&registry);
        let again = registry.register(&[ty(0)]);
        assert_eq!(again.ids()[0], gone);
        drop(again);
        assert_eq!(registry.len(), 1, "the stale one does not keep it");
        drop(stale);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn an_id_in_use_is_never_given_again() {
        let registry = TypeRegistry::new(Box::new(NoCompiler), Process::current());
        let kept = registry.register(&[ty(0)]);
        // The second type's own id is taken, and so are the first two that are searched.
        let (first, second) = (kept.ids()[0], own_id(&ty(1)));
        let mut types = registry.types.write().expect(POISON);
        types.next = first.0;
        types.entries.insert(second, Entry::of(ty(2)));
        types
            .entries
            .insert(TypeId(first.0.wrapping_add(1)), Entry::of(ty(3)));
        drop(types);
        let last = registry.register(&[ty(1)]);
        assert_eq!(last.ids(), [TypeId(first.0.wrapping_add(2))]);
    }

    #[test]
    fn ids_do_not_depend_on_the_order_of_loading() {
        let reference = |id| RefType::new(true, HeapType::ConcreteFunc(id));
        let refers = |id| FuncType::new(vec![ValType::Ref(reference(id))], &[][..]);
        let module = [ty(0), ty(1), refers(TypeId(1)), refers(TypeId(2))];
        let new = || TypeRegistry::new(Box::new(NoCompiler), Process::current());
        let (plain, other) = (new(), new());
        let _before = other.register(&[ty(5), ty(1), ty(7)]);
        let ids = plain.register_module(&module);
        assert_eq!(ids.ids(), other.register_module(&module).ids());
        assert_eq!(
            ids.ids()
                .iter()
                .collect::<std::collections::HashSet<_>>()
                .len(),
            4
        );
    }

    #[test]
    fn what_many_types_took_comes_back() {
        let registry = TypeRegistry::new(Box::new(NoCompiler), Process::current());
        let many: Vec<_> = (0..1 << 16)
            .map(|n| {
                let bit = |bit: u32| [ValType::I32, ValType::I64][n >> bit & 1];
                FuncType::new((0..16).map(bit).collect::<Vec<_>>(), &[][..])
            })
            .collect();
        let uses = registry.register(&many);
        assert_eq!(registry.len(), 1 << 16);
        drop(uses);
        let types = registry.types.read().expect(POISON);
        assert!(types.entries.capacity() <= 1024 && types.ids.capacity() <= 1024);
    }
}
