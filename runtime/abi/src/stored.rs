//! Artifacts of compilers as bytes, and back: what is kept of a compiled function to be placed by
//! another process.
//!
//! An artifact names builtins, traps and cells by numbers, and its code relies on the layout of
//! everything in this crate. So it is meaningful only to the build of Upshift that made it, and
//! files of artifacts start with something that tells builds apart. Decoding checks what can be
//! checked: that tables are sorted, and that nothing in them lies outside of the code or the
//! module. It can't check the code itself, so what places code has to trust its source.

use std::ops::Range;

use crate::artifact::{CompileStats, CompiledFunction, Relocation, SourceLocation};
use crate::artifact::{OsrEntryInfo, RelocationTarget};
use crate::builtin::Builtin;
use crate::codec::{Decoder, Encoder, Malformed};
use crate::compiler::Tier;
use crate::counted::CountedSites;
use crate::facts::ModuleFacts;
use crate::index::{
    CodeOffset, DefinedFuncIndex, InlinedIndex, LoopIndex, SiteCell, TargetCell, WasmOffset,
};
use crate::sites::{
    CallSite, ExceptionHandler, InlinedFrame, InlinedRun, LiveReference, SiteDetails, Sites,
    TrapSite,
};
use crate::targets;
use crate::trap::TrapCode;

/// Writes offsets that ascend, each as its distance from the one before.
#[derive(Default)]
struct Offsets(u32);

impl Offsets {
    fn write(&mut self, to: &mut Encoder, offset: CodeOffset) {
        to.number(offset.0.wrapping_sub(self.0));
        self.0 = offset.0;
    }

    /// Reads an offset of at most `end`.
    fn read(&mut self, from: &mut Decoder<'_>, end: usize) -> Result<CodeOffset, Malformed> {
        let distance = from.number_u32()?;
        let offset = self.0.checked_add(distance);
        let offset = offset.filter(|&offset| offset as usize <= end);
        self.0 = offset.ok_or(from.malformed("an offset outside of the code"))?;
        Ok(CodeOffset(self.0))
    }
}

/// Positions in the module, each as its distance from the one before.
#[derive(Default)]
struct Positions(u32);

impl Positions {
    fn write(&mut self, to: &mut Encoder, position: WasmOffset) {
        to.signed(position.0.wrapping_sub(self.0) as i32);
        self.0 = position.0;
    }

    fn read(&mut self, from: &mut Decoder<'_>) -> Result<WasmOffset, Malformed> {
        self.0 = self.0.wrapping_add(from.signed()? as u32);
        Ok(WasmOffset(self.0))
    }
}

/// Writes an artifact; times are left out.
pub fn encode(code: &CompiledFunction, to: &mut Encoder) {
    to.sized(&code.code);
    to.number(code.data_bytes);
    to.number(code.frame_size);
    to.number(code.stats.body_bytes);
    to.byte(code.stats.tier.map_or(0, |tier| 1 + tier as u8));
    match &code.frame_moves {
        None => to.byte(0),
        Some(Range { start, end }) => {
            to.byte(1);
            to.number(start.0);
            to.number(end.0);
        }
    }
    to.count(code.relocations.len());
    // In the order in which their compiler found them, so by signed distances.
    let mut before = 0;
    for relocation in &code.relocations {
        to.signed(relocation.offset.0.wrapping_sub(before) as i32);
        before = relocation.offset.0;
        let (kind, number) = match relocation.target {
            RelocationTarget::Slot(func) => (0, func.0),
            RelocationTarget::Budget(func) => (1, func.0),
            RelocationTarget::Target(cell) => (2, cell.0),
            RelocationTarget::Site(cell) => (3, cell.0),
            RelocationTarget::Builtin(builtin) => (4, builtin.index() as u32),
            RelocationTarget::Start => (5, 0),
        };
        to.byte(kind);
        to.number(number);
        to.signed(relocation.addend);
    }
    encode_sites(&code.sites, to);
    to.count(code.sources.len());
    let (mut offsets, mut positions) = (Offsets::default(), Positions::default());
    for source in &code.sources {
        offsets.write(to, source.code);
        positions.write(to, source.wasm);
    }
    to.count(code.loops.len());
    for entry in &code.loops {
        to.number(entry.index.0);
        to.number(entry.wasm.0);
        to.number(entry.depth);
    }
}

fn encode_sites(sites: &Sites, to: &mut Encoder) {
    to.count(sites.traps.len());
    let (mut offsets, mut positions) = (Offsets::default(), Positions::default());
    for site in &sites.traps {
        offsets.write(to, site.code);
        positions.write(to, site.wasm);
        to.byte(site.trap as u8);
    }
    to.count(sites.calls.len());
    let (mut offsets, mut positions) = (Offsets::default(), Positions::default());
    for site in &sites.calls {
        offsets.write(to, site.code);
        positions.write(to, site.wasm);
    }
    let Some(details) = sites.details.as_deref() else {
        return to.byte(0);
    };
    to.byte(1);
    let optional = |index: Option<InlinedIndex>| index.map_or(0, |index| 1 + u64::from(index.0));
    to.count(details.inlined.len());
    for frame in &details.inlined {
        to.number(optional(frame.parent));
        to.number(frame.func.0);
        to.number(frame.wasm.0);
    }
    to.count(details.runs.len());
    let mut offsets = Offsets::default();
    for run in &details.runs {
        offsets.write(to, run.code);
        to.number(optional(run.frame));
    }
    to.count(details.handlers.len());
    let mut offsets = Offsets::default();
    for handler in &details.handlers {
        offsets.write(to, handler.call);
        to.number(handler.target.0);
    }
    to.count(details.references.len());
    let mut offsets = Offsets::default();
    for reference in &details.references {
        offsets.write(to, reference.call);
        to.signed(reference.frame_offset);
    }
}

/// Reads an artifact that [`encode`] wrote, of a function of the module.
///
/// # Errors
///
/// If it is none, or does not fit the module.
pub fn decode(from: &mut Decoder<'_>, facts: &ModuleFacts) -> Result<CompiledFunction, Malformed> {
    let code = from.sized()?.to_vec();
    let end = code.len();
    let data_bytes = from.number_u32()?;
    if code.is_empty() || data_bytes as usize > end {
        return Err(from.malformed("more data than code"));
    }
    let frame_size = from.number_u32()?;
    let stats = CompileStats {
        body_bytes: from.number_u32()?,
        tier: match from.byte()? {
            0 => None,
            1 => Some(Tier::Baseline),
            2 => Some(Tier::Optimizer),
            _ => return Err(from.malformed("no such tier")),
        },
        ..CompileStats::default()
    };
    let frame_moves = match from.byte()? {
        0 => None,
        _ => {
            let mut offsets = Offsets::default();
            let start = offsets.read(from, end)?;
            let to = CodeOffset(from.number_u32()?);
            if to < start || to.index() > end {
                return Err(from.malformed("an offset outside of the code"));
            }
            Some(start..to)
        }
    };
    Ok(CompiledFunction {
        relocations: decode_relocations(from, facts, end)?,
        sites: decode_sites(from, facts, end)?,
        sources: decode_sources(from, end)?,
        loops: decode_loops(from)?,
        code,
        data_bytes,
        frame_size,
        frame_moves,
        stats,
    })
}

fn decode_relocations(
    from: &mut Decoder<'_>,
    facts: &ModuleFacts,
    end: usize,
) -> Result<Vec<Relocation>, Malformed> {
    let funcs = facts.bodies.len() as u32;
    let cells = targets::cells(facts);
    let sites = facts.sites.as_ref().map_or(0, CountedSites::count);
    let mut before = 0_u32;
    let mut relocations = Vec::new();
    for _ in 0..from.count(4)? {
        before = before.wrapping_add(from.signed()? as u32);
        let offset = CodeOffset(before);
        if offset.index() + 4 > end {
            return Err(from.malformed("a relocation outside of the code"));
        }
        let kind = from.byte()?;
        let number = from.number_u32()?;
        let below = |limit: u32| number < limit;
        let target = match kind {
            0 if below(funcs) => RelocationTarget::Slot(DefinedFuncIndex(number)),
            1 if below(funcs) => RelocationTarget::Budget(DefinedFuncIndex(number)),
            2 if below(cells) => RelocationTarget::Target(TargetCell(number)),
            3 if below(sites) => RelocationTarget::Site(SiteCell(number)),
            4 if below(Builtin::ALL.len() as u32) => {
                RelocationTarget::Builtin(Builtin::ALL[number as usize])
            }
            5 if number == 0 => RelocationTarget::Start,
            _ => return Err(from.malformed("a relocation to nothing")),
        };
        let addend = from.signed()?;
        relocations.push(Relocation {
            offset,
            target,
            addend,
        });
    }
    Ok(relocations)
}

fn decode_sites(
    from: &mut Decoder<'_>,
    facts: &ModuleFacts,
    end: usize,
) -> Result<Sites, Malformed> {
    let mut traps = Vec::new();
    let (mut offsets, mut positions) = (Offsets::default(), Positions::default());
    for _ in 0..from.count(3)? {
        let code = offsets.read(from, end)?;
        let wasm = positions.read(from)?;
        let trap = TrapCode::from_u8(from.byte()?).ok_or(from.malformed("no such trap"))?;
        traps.push(TrapSite { code, wasm, trap });
    }
    let mut calls = Vec::new();
    let (mut offsets, mut positions) = (Offsets::default(), Positions::default());
    for _ in 0..from.count(2)? {
        let code = offsets.read(from, end)?;
        let wasm = positions.read(from)?;
        calls.push(CallSite { code, wasm });
    }
    let details = match from.byte()? {
        0 => None,
        _ => Some(Box::new(decode_details(from, facts, end)?)),
    };
    Ok(Sites {
        details,
        ..Sites::new(traps, calls)
    })
}

fn decode_details(
    from: &mut Decoder<'_>,
    facts: &ModuleFacts,
    end: usize,
) -> Result<SiteDetails, Malformed> {
    /// One of so many inlined copies, or none.
    fn copy(from: &mut Decoder<'_>, copies: usize) -> Result<Option<InlinedIndex>, Malformed> {
        let number = from.number_u32()?;
        match number as usize <= copies {
            true => Ok(number.checked_sub(1).map(InlinedIndex)),
            false => Err(from.malformed("no such copy")),
        }
    }
    let mut details = SiteDetails::default();
    for index in 0..from.count(3)? {
        let parent = copy(from, index)?;
        let func = DefinedFuncIndex(from.number_u32()?);
        if func.index() >= facts.bodies.len() {
            return Err(from.malformed("no such function"));
        }
        let wasm = WasmOffset(from.number_u32()?);
        details.inlined.push(InlinedFrame { parent, func, wasm });
    }
    let mut offsets = Offsets::default();
    for _ in 0..from.count(2)? {
        let code = offsets.read(from, end)?;
        let frame = copy(from, details.inlined.len())?;
        details.runs.push(InlinedRun { code, frame });
    }
    let mut offsets = Offsets::default();
    for _ in 0..from.count(2)? {
        let call = offsets.read(from, end)?;
        let target = Offsets::default().read(from, end.saturating_sub(1))?;
        details.handlers.push(ExceptionHandler { call, target });
    }
    let mut offsets = Offsets::default();
    for _ in 0..from.count(2)? {
        let call = offsets.read(from, end)?;
        let frame_offset = from.signed()?;
        details
            .references
            .push(LiveReference { call, frame_offset });
    }
    Ok(details)
}

fn decode_sources(from: &mut Decoder<'_>, end: usize) -> Result<Vec<SourceLocation>, Malformed> {
    let mut sources = Vec::new();
    let (mut offsets, mut positions) = (Offsets::default(), Positions::default());
    for _ in 0..from.count(2)? {
        let code = offsets.read(from, end)?;
        let wasm = positions.read(from)?;
        sources.push(SourceLocation { code, wasm });
    }
    Ok(sources)
}

fn decode_loops(from: &mut Decoder<'_>) -> Result<Vec<OsrEntryInfo>, Malformed> {
    let mut loops = Vec::new();
    for _ in 0..from.count(3)? {
        loops.push(OsrEntryInfo {
            index: LoopIndex(from.number_u32()?),
            wasm: WasmOffset(from.number_u32()?),
            depth: from.number_u32()?,
        });
    }
    Ok(loops)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::CompiledFunction;
    use crate::sites::SiteDetails;

    fn facts() -> ModuleFacts {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        // A type without values, three functions of it, and their empty bodies.
        wasm.extend_from_slice(&[1, 4, 1, 0x60, 0, 0]);
        wasm.extend_from_slice(&[3, 4, 3, 0, 0, 0]);
        wasm.extend_from_slice(&[10, 10, 3, 2, 0, 0x0b, 2, 0, 0x0b, 2, 0, 0x0b]);
        crate::facts::decode_with(&wasm, crate::Features::default())
            .unwrap()
            .facts
    }

    /// An artifact with something in each field.
    fn artifact() -> CompiledFunction {
        let trap = |code, wasm| TrapSite {
            code: CodeOffset(code),
            wasm: WasmOffset(wasm),
            trap: TrapCode::Unreachable,
        };
        let call = |code, wasm| CallSite {
            code: CodeOffset(code),
            wasm: WasmOffset(wasm),
        };
        let relocation = |offset, target, addend| Relocation {
            offset: CodeOffset(offset),
            target,
            addend,
        };
        let mut sites = Sites::new(vec![trap(3, 40), trap(9, 38)], vec![call(12, 41)]);
        sites.details = Some(Box::new(SiteDetails {
            inlined: vec![InlinedFrame {
                parent: None,
                func: DefinedFuncIndex(2),
                wasm: WasmOffset(40),
            }],
            runs: vec![InlinedRun {
                code: CodeOffset(4),
                frame: Some(InlinedIndex(0)),
            }],
            handlers: vec![ExceptionHandler {
                call: CodeOffset(12),
                target: CodeOffset(16),
            }],
            references: vec![LiveReference {
                call: CodeOffset(12),
                frame_offset: -8,
            }],
        }));
        CompiledFunction {
            code: (0..32).collect(),
            data_bytes: 8,
            relocations: vec![
                relocation(20, RelocationTarget::Slot(DefinedFuncIndex(1)), -4),
                relocation(2, RelocationTarget::Builtin(Builtin::ALL[0]), 0),
                relocation(8, RelocationTarget::Start, 24),
                relocation(12, RelocationTarget::Budget(DefinedFuncIndex(2)), -5),
            ],
            sites,
            sources: vec![SourceLocation {
                code: CodeOffset(1),
                wasm: WasmOffset(39),
            }],
            loops: vec![OsrEntryInfo {
                index: LoopIndex(0),
                wasm: WasmOffset(39),
                depth: 2,
            }],
            frame_size: 48,
            frame_moves: Some(CodeOffset(2)..CodeOffset(5)),
            stats: CompileStats {
                body_bytes: 7,
                tier: Some(Tier::Optimizer),
                ..CompileStats::default()
            },
        }
    }

    #[test]
    fn an_artifact_is_read_as_it_was_written() {
        let mut bytes = Encoder::default();
        encode(&artifact(), &mut bytes);
        let mut from = Decoder::new(&bytes.0);
        let read = decode(&mut from, &facts()).unwrap();
        from.finish().unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", artifact()));
    }

    /// Whatever is changed in its tables, nothing in what is read lies outside of the code or the
    /// module, as those who place code rely on.
    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut bytes = Encoder::default();
        encode(&artifact(), &mut bytes);
        let facts = facts();
        let mut refused = 0;
        for at in 0..bytes.0.len() {
            for bit in 0..8 {
                let mut changed = bytes.0.clone();
                changed[at] ^= 1 << bit;
                let Ok(read) = decode(&mut Decoder::new(&changed), &facts) else {
                    refused += 1;
                    continue;
                };
                let end = read.code.len();
                assert!(read.data_bytes as usize <= end);
                for relocation in &read.relocations {
                    assert!(relocation.offset.index() + 4 <= end);
                    if let RelocationTarget::Slot(func) | RelocationTarget::Budget(func) =
                        relocation.target
                    {
                        assert!(func.index() < 3);
                    }
                }
                assert!(read.sites.traps.is_sorted_by_key(|site| site.code));
                assert!(read.sites.calls.iter().all(|site| site.code.index() <= end));
                for details in read.sites.details.iter() {
                    assert!(details.handlers.iter().all(|one| one.target.index() < end));
                    assert!(details.inlined.iter().all(|one| one.func.index() < 3));
                }
            }
        }
        assert!(refused > bytes.0.len(), "{refused}");
        for len in 0..bytes.0.len() {
            assert!(decode(&mut Decoder::new(&bytes.0[..len]), &facts).is_err());
        }
    }
}
