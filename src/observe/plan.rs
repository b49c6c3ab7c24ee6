//! What is observed: the question that an engine asks of its instrument, function by function.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use upshift_abi::facts::{Import, ImportType, decode_with};
use upshift_abi::observe::{
    Action, Block, FuncPlan, MAX_COUNTERS, Operator, OperatorKind, Plan, Site, blocks,
    operand_types, operators,
};
use upshift_abi::{DefinedFuncIndex, Features, FuncIndex, ModuleFacts, ValType, demangle};

use crate::FuncType;

/// Decides what the code of modules reports: see [`Config::instrument`].
///
/// Implemented for closures.
///
/// [`Config::instrument`]: crate::Config::instrument
pub trait Instrument: Send + Sync + 'static {
    /// Says what is to be known of a function. Called once for each function that a module defines,
    /// in their order, when it is loaded.
    fn instrument(&self, func: &mut InstrumentedFunc<'_>);

    /// Says what is to be known of a function that a module imports, if it turns out to be one of
    /// the host: a function of another module is asked about where it is defined. Called once for
    /// each imported function, in their order, before those that the module defines. By default
    /// nothing, as for closures.
    #[expect(unused_variables, reason = "a name for the documentation")]
    fn instrument_import(&self, import: &mut InstrumentedImport<'_>) {}
}

impl<F: Fn(&mut InstrumentedFunc<'_>) + Send + Sync + 'static> Instrument for F {
    fn instrument(&self, func: &mut InstrumentedFunc<'_>) {
        self(func);
    }
}

/// A function that an [`Instrument`] is asked about.
pub struct InstrumentedFunc<'a> {
    facts: &'a ModuleFacts,
    wasm: &'a [u8],
    func: DefinedFuncIndex,
    operators: OnceCell<Rc<[Operator]>>,
    listener: Option<u64>,
    sites: Vec<Site>,
    /// Which of these are probes that want the operand.
    operands: Vec<usize>,
    /// Counters of the module so far.
    counters: u32,
}

/// The counters of both directions of a branch by a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchCounter {
    reached: u32,
    next: u32,
    is_if: bool,
}

impl BranchCounter {
    /// How often the condition held, and how often it did not, by the counters of the module
    /// ([`Module::counters`](crate::Module::counters)): of `if` and `br_if`, how often the operand
    /// was not zero.
    ///
    /// # Panics
    ///
    /// If these are too few.
    pub fn directions(&self, counters: &[u64]) -> (u64, u64) {
        let reached = counters[self.reached as usize];
        let next = counters[self.next as usize];
        let other = reached.saturating_sub(next);
        match self.is_if {
            true => (next, other),
            false => (other, next),
        }
    }
}

/// The counters of the targets of a `br_table`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableCounter {
    first: u32,
    count: u32,
}

impl TableCounter {
    /// How often each target was taken, by the counters of the module
    /// ([`Module::counters`](crate::Module::counters)): in the order in which the operator lists
    /// them, the default one last. Entries that lead to the same label are counted apart.
    ///
    /// # Panics
    ///
    /// If these are too few.
    pub fn targets<'c>(&self, counters: &'c [u64]) -> &'c [u64] {
        &counters[self.first as usize..][..self.count as usize]
    }
}

/// A function that a module imports, and that an [`Instrument`] is asked about.
pub struct InstrumentedImport<'a> {
    facts: &'a ModuleFacts,
    func: FuncIndex,
    import: &'a Import,
    listener: Option<u64>,
}

impl<'a> InstrumentedImport<'a> {
    /// The function's index in the module.
    pub fn index(&self) -> u32 {
        self.func.0
    }

    /// The name of the module that it is imported from.
    pub fn module(&self) -> &'a str {
        &self.import.module
    }

    /// The name that it is imported by.
    pub fn name(&self) -> &'a str {
        &self.import.name
    }

    /// The name of the module that imports it, if it has one.
    pub fn module_name(&self) -> Option<&'a str> {
        self.facts.names.module()
    }

    /// The function's type.
    pub fn ty(&self) -> FuncType {
        FuncType(self.facts.func_type(self.func).clone())
    }

    /// Listens to the function, if it is one of the host: the store's
    /// [`Observer`](super::Observer) is told of each call by this import, in code or by a reference
    /// that the module has made, and of its end. Not of calls by references that the host has put
    /// in a table: they belong to no module. The number is for the embedder
    /// ([`Observed::tag`](super::Observed::tag)).
    ///
    /// No code changes: what the runtime does for a call of a host function takes longer, by a
    /// search through the imports besides what the observer does.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::observe::{Instrument, InstrumentedFunc, InstrumentedImport};
    /// use upshift::observe::{Observed, Observer};
    /// use upshift::{Config, Engine, Linker, Module, Result, Store, StoreContextMut, Val};
    ///
    /// struct Imports;
    ///
    /// impl Instrument for Imports {
    ///     fn instrument(&self, _: &mut InstrumentedFunc<'_>) {}
    ///
    ///     fn instrument_import(&self, import: &mut InstrumentedImport<'_>) {
    ///         import.listen(0);
    ///     }
    /// }
    ///
    /// struct Calls;
    ///
    /// impl Observer<Vec<String>> for Calls {
    ///     fn after(
    ///         &mut self,
    ///         mut store: StoreContextMut<'_, Vec<String>>,
    ///         func: &Observed<'_>,
    ///         results: &[Val],
    ///     ) -> Result<()> {
    ///         let (module, name) = func.import().expect("nothing else is listened to");
    ///         let line = format!("{module}.{name} returned {results:?}");
    ///         store.data_mut().push(line);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let engine = Engine::new(Config::new().instrument(Imports))?;
    /// let text = r#"(module
    ///     (import "env" "twice" (func $twice (param i32) (result i32)))
    ///     (func (export "run") (result i32) (call $twice (i32.const 4))))"#;
    /// let module = Module::new(&engine, text)?;
    /// let mut store = Store::new(&engine, Vec::new());
    /// store.observer(Calls);
    /// let mut linker = Linker::new(&engine);
    /// linker.func_wrap("env", "twice", |n: i32| 2 * n)?;
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// instance.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ())?;
    /// assert_eq!(store.data()[..], ["env.twice returned [I32(8)]"]);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn listen(&mut self, tag: u64) {
        self.listener = Some(tag);
    }
}

impl<'a> InstrumentedFunc<'a> {
    /// The function's index in its module.
    pub fn index(&self) -> u32 {
        self.facts.func_index(self.func).0
    }

    /// The function's name, if it is known.
    pub fn name(&self) -> Option<&'a str> {
        self.facts.func_name(self.facts.func_index(self.func))
    }

    /// The function's name for people, as [`Observed::demangled_name`].
    ///
    /// [`Observed::demangled_name`]: super::Observed::demangled_name
    pub fn demangled_name(&self) -> Option<Cow<'a, str>> {
        self.name().map(demangle::shown)
    }

    /// The name of the module, if it has one.
    pub fn module_name(&self) -> Option<&'a str> {
        self.facts.names.module()
    }

    /// The function's type.
    pub fn ty(&self) -> FuncType {
        FuncType(self.facts.defined_func_type(self.func).clone())
    }

    /// The bytes of the module, in which offsets are.
    pub fn module_bytes(&self) -> &'a [u8] {
        self.wasm
    }

    /// The operators of the function's body, in their order. Decodes the body the first time.
    pub fn operators(&self) -> Rc<[Operator]> {
        let operators = self.operators.get_or_init(|| {
            let operators = operators(self.facts, self.wasm, self.func);
            operators.into()
        });
        operators.clone()
    }

    /// The blocks of the function's body, in their order. Operators that no control can reach, and
    /// those that compute nothing, may belong to none. Decodes the body.
    pub fn blocks(&self) -> Vec<Block> {
        blocks(self.facts, self.wasm, self.func)
    }

    /// Listens to the function: the store's [`Observer`](super::Observer) is told of each call and
    /// its end. The number is for the embedder ([`Observed::tag`](super::Observed::tag)).
    pub fn listen(&mut self, tag: u64) {
        self.listener = Some(tag);
    }

    /// Counts how often control reaches an operator: one instruction or two, and no call. Returns
    /// the number of the counter in [`Module::counters`](crate::Module::counters).
    ///
    /// What is at a `loop` is done at the beginning of each iteration, all else when control comes
    /// from the operator in front, or by a branch to a label right there.
    ///
    /// # Panics
    ///
    /// If no operator begins at the offset.
    pub fn count(&mut self, offset: u32) -> u32 {
        let counter = self.new_counter();
        self.add(offset, Action::Count(counter));
        counter
    }

    /// Counts how often a block is executed, as [`count`](Self::count) does.
    pub fn count_block(&mut self, block: Block) -> u32 {
        let counter = self.new_counter();
        self.add_in_front(block.start(), Action::Count(counter));
        counter
    }

    /// Counts the directions of an `if`, `br_if`, `br_on_null` or `br_on_non_null`, with two
    /// counters. `None` for other operators.
    pub fn count_branch(&mut self, branch: Operator) -> Option<BranchCounter> {
        let is_if = match branch.kind() {
            OperatorKind::If => true,
            OperatorKind::BrIf | OperatorKind::BrOnNull => false,
            _ => return None,
        };
        let [reached, next] = [self.new_counter(), self.new_counter()];
        self.add_in_front(branch.offset(), Action::Count(reached));
        self.add_in_front(branch.end(), Action::Count(next));
        Some(BranchCounter {
            reached,
            next,
            is_if,
        })
    }

    /// Counts how often each target of a `br_table` is taken, with a counter for each: by some five
    /// instructions in line. `None` for other operators.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use std::sync::{Arc, Mutex};
    ///
    /// use upshift::observe::InstrumentedFunc;
    /// use upshift::{Config, Engine, Instance, Module, Store};
    ///
    /// let table = Arc::new(Mutex::new(None));
    /// let mut config = Config::new();
    /// config.instrument({
    ///     let table = table.clone();
    ///     move |func: &mut InstrumentedFunc<'_>| {
    ///         for &operator in &*func.operators() {
    ///             if let Some(counted) = func.count_table(operator) {
    ///                 *table.lock().unwrap() = Some(counted);
    ///             }
    ///         }
    ///     }
    /// });
    /// let engine = Engine::new(&config)?;
    /// let text = r#"(module
    ///     (func (export "run") (param i32)
    ///         (block $default (block $b (block $a
    ///             (br_table $a $b $a $default (local.get 0)))))))"#;
    /// let module = Module::new(&engine, text)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let run = instance.get_typed_func::<i32, ()>(&mut store, "run")?;
    /// for index in [0, 2, 2, 100] {
    ///     run.call(&mut store, index)?;
    /// }
    /// let table = table.lock().unwrap().expect("there is one");
    /// assert_eq!(table.targets(&module.counters()), [1, 0, 2, 1]);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    ///
    /// If there are more counters than fit 2 GiB.
    pub fn count_table(&mut self, table: Operator) -> Option<TableCounter> {
        let count = table.table_targets()?;
        let first = self.counters;
        assert!(count <= MAX_COUNTERS - first, "too many counters");
        self.counters += count;
        self.add_in_front(table.offset(), Action::CountTarget { first, count });
        Some(TableCounter { first, count })
    }

    /// Tells the store's [`Observer`](super::Observer) whenever control reaches an operator, before
    /// it is executed; at a `loop`, at the beginning of each iteration. The number is for the
    /// embedder ([`Probe::tag`](super::Probe::tag)).
    ///
    /// # Panics
    ///
    /// If no operator begins at the offset.
    pub fn probe(&mut self, offset: u32, tag: u64) {
        let operand = None;
        self.add(offset, Action::Probe { tag, operand });
    }

    /// The same, with the [operand](super::Probe::operand) that is topmost.
    ///
    /// # Panics
    ///
    /// If no operator begins at the offset.
    pub fn probe_operand(&mut self, offset: u32, tag: u64) {
        self.probe(offset, tag);
        self.operands.push(self.sites.len() - 1);
    }

    fn new_counter(&mut self) -> u32 {
        assert!(self.counters < MAX_COUNTERS, "too many counters");
        self.counters += 1;
        self.counters - 1
    }

    fn add(&mut self, offset: u32, action: Action) {
        let operators = self.operators();
        let found = operators.binary_search_by_key(&offset, Operator::offset);
        let Ok(found) = found else {
            panic!("no operator of this function begins at offset {offset:#x}");
        };
        let operator = operators[found];
        let is_loop = operator.kind() == OperatorKind::Loop;
        let site = Site::new(offset, operator.end(), is_loop, action);
        self.sites.push(site);
    }

    /// Adds what is done in front of an operator, a `loop` too.
    fn add_in_front(&mut self, offset: u32, action: Action) {
        self.sites.push(Site::new(offset, offset, false, action));
    }

    /// The offsets of the operators whose operands are wanted, ascending.
    fn offsets_of_operands(&self) -> Vec<u32> {
        let sites = self.operands.iter().map(|&site| self.sites[site].at.0);
        let mut offsets: Vec<u32> = sites.collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    /// Notes the types of the operands at these offsets.
    fn set_operands(&mut self, offsets: &[u32], types: &[Option<ValType>]) {
        for &number in &self.operands {
            let site = &mut self.sites[number];
            let found = offsets.binary_search(&site.at.0);
            if let (Ok(found), Action::Probe { operand, .. }) = (found, &mut site.action) {
                *operand = types.get(found).copied().flatten();
            }
        }
    }

    fn finish(mut self) -> FuncPlan {
        if self.listener.is_some() {
            // The end of the call is the last thing that is told of it.
            let operators = self.operators();
            for operator in operators.iter().filter(|it| it.is_tail_call()) {
                self.add_in_front(operator.offset(), Action::TailCall);
            }
        }
        FuncPlan::new(self.listener, self.sites)
    }
}

/// The plan of a valid module, which may use these features.
pub(crate) fn plan(
    instrument: &dyn Instrument,
    facts: &ModuleFacts,
    wasm: &[u8],
    features: Features,
) -> Plan {
    let imports = listened_imports(instrument, facts);
    let mut counters = 0;
    let asked = facts.defined_funcs().map(|func| {
        let mut asked = InstrumentedFunc {
            facts,
            wasm,
            func,
            operators: OnceCell::new(),
            listener: None,
            sites: Vec::new(),
            operands: Vec::new(),
            counters,
        };
        instrument.instrument(&mut asked);
        counters = asked.counters;
        asked
    });
    let mut asked: Vec<_> = asked.collect();
    if asked.iter().any(|func| !func.operands.is_empty())
        && let Ok(decoded) = decode_with(wasm, features)
    {
        for (func, validator) in asked.iter_mut().zip(decoded.validators) {
            let offsets = func.offsets_of_operands();
            if !offsets.is_empty() {
                // The body is valid.
                let types = operand_types(validator, facts, wasm, func.func, &offsets);
                func.set_operands(&offsets, &types.unwrap_or_default());
            }
        }
    }
    let funcs = asked.into_iter().map(InstrumentedFunc::finish);
    Plan::new(funcs.collect(), imports, counters)
}

/// The numbers of imported functions that are listened to; none behind the last of these.
fn listened_imports(instrument: &dyn Instrument, facts: &ModuleFacts) -> Vec<Option<u64>> {
    let imports = facts.imports.iter();
    let funcs = imports.filter(|import| matches!(import.ty, ImportType::Func(_)));
    let listeners = funcs.zip(0..).map(|(import, index)| {
        let mut asked = InstrumentedImport {
            facts,
            func: FuncIndex(index),
            import,
            listener: None,
        };
        instrument.instrument_import(&mut asked);
        asked.listener
    });
    let mut listeners: Vec<_> = listeners.collect();
    let last = listeners.iter().rposition(Option::is_some);
    listeners.truncate(last.map_or(0, |last| last + 1));
    listeners
}
