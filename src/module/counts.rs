//! What the functions of a module have counted, where each of their sites counts for itself.

use upshift_abi::Printable;
use upshift_abi::counted::CountedSite;
use upshift_abi::targets::KnownTarget;

use super::Module;

/// A function that counts each of its sites apart; see [`Config::count_sites`].
///
/// [`Config::count_sites`]: crate::Config::count_sites
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedFunction {
    /// Its index among the functions that the module defines.
    pub index: u32,
    /// Its name, or its index in the module as `func[12]`.
    pub name: String,
    /// The length of its body in bytes.
    pub body_bytes: u32,
    /// Its entry, and its loops in their order.
    pub sites: Vec<CountedSite>,
}

impl Module {
    /// All functions that the module defines, with their sites: the entry, and each loop. Empty
    /// unless [`Config::count_sites`](crate::Config::count_sites) is set.
    pub fn counted_functions(&self) -> Vec<CountedFunction> {
        let facts = self.code.facts();
        let Some(sites) = &facts.sites else {
            return Vec::new();
        };
        let bodies = facts.defined_funcs().zip(&facts.bodies);
        let function = |(func, body): (upshift_abi::DefinedFuncIndex, &std::ops::Range<u32>)| {
            let in_module = facts.func_index(func);
            let name = facts.func_name(in_module);
            CountedFunction {
                index: func.0,
                name: match name {
                    Some(name) => Printable(name).to_string(),
                    None => format!("func[{}]", in_module.0),
                },
                body_bytes: body.end - body.start,
                sites: sites.of(func).to_vec(),
            }
        };
        bodies.map(function).collect()
    }

    /// Copies the counters of all sites, function by function in the order of
    /// [`counted_functions`](Self::counted_functions). Each counts down from 0 and wraps around: a
    /// call or an iteration takes 1. A short loop's counter is up to date when the loop has ended.
    ///
    /// Any thread, while the program runs: reads a word for each site.
    pub fn copy_site_counters(&self, into: &mut Vec<u32>) {
        self.code.copy_sites(into);
    }

    /// The indirect calls that have called one function of the module only, as far as baseline code
    /// has noted ([`Config::note_call_targets`](crate::Config::note_call_targets)). A guess: calls
    /// share cells, and threads race on them. Reads all bodies.
    pub fn call_targets(&self) -> Vec<KnownTarget> {
        let targets = self.code.call_targets();
        targets.all(self.code.facts(), self.code.wasm())
    }
}
