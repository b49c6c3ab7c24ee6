//! The rules for traces that types don't express, in one place for reading and writing.

use super::{Cost, Function, Header, Slice, Trace};

/// The rule that a trace breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A ladder has a first level and at most as many as policies see.
    #[error("{0} levels of code; there are 1 to 4")]
    Levels(usize),
    /// Texts are names and not contents.
    #[error("a text of {0} bytes; at most 65536")]
    Text(usize),
    /// Order is part of the format.
    #[error("{0} are not in ascending order")]
    Order(&'static str),
    /// Busy compile threads don't make the program faster, nor stop it.
    #[error("the program is slower by {0}; that is from 1 to {MAX_SLOWDOWN}")]
    Slowdown(String),
    /// A part is no more than the whole.
    #[error("{0} of a function's iterations are in calls that last; that is from 0 to 1")]
    Lasting(String),
    /// Each function has costs for each level.
    #[error("costs for {found} levels, of {levels}")]
    Costs {
        /// Costs that there are.
        found: usize,
        /// Levels that there are.
        levels: usize,
    },
    /// Each cost has a time for each site.
    #[error("times for {found} sites, of {sites}")]
    Sites {
        /// Times that there are.
        found: usize,
        /// Sites that there are: the entry and the loops.
        sites: usize,
    },
    /// Times are finite and not negative.
    #[error("{0} is no time in nanoseconds")]
    Time(String),
    /// A slice begins before another has ended, ends before it begins, or its host time is longer.
    #[error(
        "a slice from {from} to {to} ns with {host} ns outside of WebAssembly, after {before} ns"
    )]
    Slice {
        /// When it begins.
        from: u64,
        /// When it ends.
        to: u64,
        /// Its time outside of WebAssembly.
        host: u64,
        /// When the slice before ended.
        before: u64,
    },
    /// A count is of a site that exists.
    #[error("a count of site {site} of function {function}, which does not exist")]
    NoSite {
        /// The position of the function.
        function: u32,
        /// The site.
        site: u32,
    },
    /// What did not happen is not stored.
    #[error("a count of zero")]
    NoUnits,
}

/// The highest number of levels.
pub(super) const MAX_LEVELS: usize = 4;

/// The longest text.
pub(super) const MAX_TEXT: usize = 1 << 16;

/// The factor by which busy compile threads slow a program down at most. With the other limits it
/// keeps the times of simulations finite.
pub const MAX_SLOWDOWN: f64 = 1e6;

/// The longest time: 30 years.
const MAX_NS: f64 = 1e18;

/// Checks all rules.
pub(super) fn trace(trace: &Trace) -> Result<(), Invalid> {
    header(&trace.header)?;
    let levels = trace.header.levels.len();
    let mut before = None;
    for function in &trace.functions {
        self::function(function, before, levels)?;
        before = Some(function.index);
    }
    let mut end = 0;
    for slice in &trace.slices {
        self::slice(slice, end, &trace.functions)?;
        end = slice.to;
    }
    Ok(())
}

pub(super) fn header(header: &Header) -> Result<(), Invalid> {
    let levels = header.levels.len();
    if !(1..=MAX_LEVELS).contains(&levels) {
        return Err(Invalid::Levels(levels));
    }
    let possible = |factor: &&f64| (1.0..=MAX_SLOWDOWN).contains(*factor);
    if let Some(factor) = header.slowdown.iter().find(|factor| !possible(factor)) {
        return Err(Invalid::Slowdown(factor.to_string()));
    }
    time(header.ask_ns)?;
    let texts = [&header.program, &header.settings, &header.machine];
    let names = header.levels.iter().map(|level| &level.name);
    let mut texts = texts.into_iter().chain(&header.arguments).chain(names);
    texts.try_for_each(|one| text(one))
}

fn text(text: &str) -> Result<(), Invalid> {
    if text.len() > MAX_TEXT {
        return Err(Invalid::Text(text.len()));
    }
    Ok(())
}

/// Checks a function that follows the one with the index `before`.
pub(super) fn function(
    function: &Function,
    before: Option<u32>,
    levels: usize,
) -> Result<(), Invalid> {
    if before.is_some_and(|before| before >= function.index) {
        return Err(Invalid::Order("indexes of functions"));
    }
    text(&function.name)?;
    if !(0.0..=1.0).contains(&function.lasting) {
        return Err(Invalid::Lasting(function.lasting.to_string()));
    }
    function.osr_part.map_or(Ok(()), time)?;
    if !function
        .loops
        .is_sorted_by(|first, second| first.offset < second.offset)
    {
        return Err(Invalid::Order("loops"));
    }
    let found = function.costs.len();
    if found != levels {
        return Err(Invalid::Costs { found, levels });
    }
    let sites = function.loops.len() + 1;
    function
        .costs
        .iter()
        .try_for_each(|cost| self::cost(cost, sites))
}

fn cost(cost: &Cost, sites: usize) -> Result<(), Invalid> {
    let found = cost.unit_ns.len();
    if found != sites {
        return Err(Invalid::Sites { found, sites });
    }
    let mut times = cost.unit_ns.iter().chain([&cost.compile_ns]);
    times.try_for_each(|&ns| time(ns))
}

fn time(ns: f64) -> Result<(), Invalid> {
    match (0.0..=MAX_NS).contains(&ns) {
        true => Ok(()),
        false => Err(Invalid::Time(ns.to_string())),
    }
}

/// Checks a slice that follows one which ended at `before`.
pub(super) fn slice(slice: &Slice, before: u64, functions: &[Function]) -> Result<(), Invalid> {
    let (from, to, host) = (slice.from, slice.to, slice.host_ns);
    if from < before || to < from || host > to - from || to as f64 > MAX_NS {
        return Err(Invalid::Slice {
            from,
            to,
            host,
            before,
        });
    }
    for count in &slice.counts {
        let (function, site) = (count.function, count.site);
        let sites = functions
            .get(function as usize)
            .map(|function| function.loops.len() + 1);
        if sites.is_none_or(|sites| site as usize >= sites) {
            return Err(Invalid::NoSite { function, site });
        }
        if count.units == 0 {
            return Err(Invalid::NoUnits);
        }
    }
    let place = |count: &super::Count| (count.function, count.site);
    if !slice
        .counts
        .is_sorted_by(|first, second| place(first) < place(second))
    {
        return Err(Invalid::Order("counts"));
    }
    Ok(())
}
