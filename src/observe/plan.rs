//! What is observed: the question that an engine asks of its instrument, function by function.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use upshift_abi::facts::decode_with;
use upshift_abi::observe::{
    Action, Block, FuncPlan, MAX_COUNTERS, Operator, OperatorKind, Plan, Site, blocks,
    operand_kinds, operators,
};
use upshift_abi::{DefinedFuncIndex, Features, Kind, ModuleFacts, demangle};

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

    /// Notes the kinds of the operands at these offsets.
    fn set_operands(&mut self, offsets: &[u32], kinds: &[Option<Kind>]) {
        for &number in &self.operands {
            let site = &mut self.sites[number];
            let found = offsets.binary_search(&site.at.0);
            if let (Ok(found), Action::Probe { operand, .. }) = (found, &mut site.action) {
                *operand = kinds.get(found).copied().flatten();
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
                let kinds = operand_kinds(validator, facts, wasm, func.func, &offsets);
                func.set_operands(&offsets, &kinds.unwrap_or_default());
            }
        }
    }
    let funcs = asked.into_iter().map(InstrumentedFunc::finish);
    Plan::new(funcs.collect(), counters)
}
