//! What the compiler says of its code for core dumps: where locals and operands are at the sites of
//! one instruction, or of all.
//!
//! A *recorder* exists only while a function is compiled to be described. At each site that is
//! emitted meanwhile it notes what the abstract state says then. A local's place is its register
//! if that is dirty, else its home slot; one that a loop around takes for dead at its header is not
//! known before it is assigned. Of an instruction's own operands, which its code may have
//! overwritten before it traps, those are known that are locals or constants. In debug builds the
//! [checker](crate::check) confirms each place.

use upshift_abi::values::{DescribedCode, PlacedValue, SiteValues, ValuePlace};
use upshift_abi::{CodeOffset, CompiledFunction, Kind, WasmOffset};

use crate::asm::{Pos, SiteMarks};
use crate::func_gen::FuncGen;
use crate::reg::{Reg, RegSet};
use crate::state::State;
use crate::value::Value;

/// What is noted of the sites.
pub(crate) struct Recorder {
    /// The instruction whose sites are wanted; `None` for all.
    at: Option<WasmOffset>,
    /// The operand stack when the current instruction began.
    before: Vec<Value>,
    /// Locals that an open loop takes for dead at its header and that its body has assigned since,
    /// not in a block within, each with the loop's frame: whatever comes after it in the loop, the
    /// assignment was executed.
    assigned: Vec<(usize, u32)>,
    /// The sites that were emitted before.
    seen: SiteMarks,
    sites: Vec<(Pos, SiteValues)>,
    /// Whether an operator is compiled: before the first one, the locals are not where the state
    /// will have them, and behind the last one is the head, where nothing is anywhere.
    in_body: bool,
}

/// The kind of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// An instruction that traps.
    Trap,
    /// The return address of a call.
    Call,
}

impl Recorder {
    pub(crate) fn new(at: Option<WasmOffset>) -> Box<Self> {
        Box::new(Self {
            at,
            before: Vec::new(),
            assigned: Vec::new(),
            seen: SiteMarks::default(),
            sites: Vec::new(),
            in_body: false,
        })
    }

    fn wants(&self, pos: u32) -> bool {
        self.in_body && self.at.is_none_or(|at| at.0 == pos)
    }
}

/// Where a local is, if its value is anywhere.
fn local_place(state: &State, local: u32, is_dead: bool) -> ValuePlace {
    let entry = &state.locals[local as usize];
    match entry.reg.filter(|&reg| state.regs.dirty.has(reg)) {
        Some(reg) => ValuePlace::Reg(reg.index() as u8),
        None if is_dead => ValuePlace::Unknown,
        None => ValuePlace::Slot(entry.slot),
    }
}

impl FuncGen<'_> {
    /// Before an operator emits anything.
    #[inline]
    pub(crate) fn describe_operator(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.in_body = true;
            recorder.seen = self.masm.site_marks();
            let open = self.labels.len();
            recorder.assigned.retain(|&(frame, _)| frame < open);
            if recorder.wants(self.cursor.pos) {
                recorder.before.clone_from(&self.state.stack);
            }
        }
    }

    /// A local has been assigned.
    #[inline]
    pub(crate) fn describe_assigned(&mut self, local: u32) {
        if let Some(recorder) = &mut self.recorder {
            let frame = self.labels.len() - 1;
            if self.labels.dead(frame).contains(&local) {
                recorder.assigned.push((frame, local));
            }
        }
    }

    /// Behind the body.
    pub(crate) fn describe_no_more(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.in_body = false;
        }
    }

    /// After a site: the state is still that in which its instruction runs.
    #[inline]
    pub(crate) fn describe_sites(&mut self, site: Site) {
        if self.recorder.is_some() {
            self.record_sites(site);
        }
    }

    #[cold]
    fn record_sites(&mut self, site: Site) {
        let Some(mut recorder) = self.recorder.take() else {
            return;
        };
        let positions = self.masm.sites_since(recorder.seen);
        recorder.seen = self.masm.site_marks();
        if recorder.wants(self.cursor.pos) && !positions.is_empty() {
            let (locals, operands) = self.values(&recorder, site);
            self.check_described(&locals, &operands);
            for pos in positions {
                let values = SiteValues {
                    code: CodeOffset(0),
                    locals: locals.clone(),
                    operands: operands.clone(),
                };
                recorder.sites.push((pos, values));
            }
        }
        self.recorder = Some(recorder);
    }

    /// The places of all locals and operands.
    fn values(&self, recorder: &Recorder, site: Site) -> (Vec<PlacedValue>, Vec<PlacedValue>) {
        let Recorder {
            before, assigned, ..
        } = recorder;
        let state = &self.state;
        // What a call does not preserve is lost while it runs.
        let kept = |place| match place {
            ValuePlace::Reg(reg) if site == Site::Call => {
                let reg = Reg::from_index(reg.into());
                match RegSet::CALLEE_SAVED.has(reg) {
                    true => place,
                    false => ValuePlace::Unknown,
                }
            }
            _ => place,
        };
        let dead = self.labels.all_dead();
        let dead = dead.filter(|dead| !assigned.contains(dead));
        let dead: Vec<u32> = dead.map(|(_, local)| local).collect();
        let local = |index: u32| kept(local_place(state, index, dead.contains(&index)));
        let operand = |value| match value {
            Value::Reg(_, reg) => kept(ValuePlace::Reg(reg.index() as u8)),
            Value::Local(_, index) => local(index),
            Value::Const(_, bits) => ValuePlace::Constant(bits),
            Value::Slot(_, slot) => ValuePlace::Slot(slot),
            Value::Flags(_) => ValuePlace::Unknown,
        };
        // The operator's own ones: registers and slots of theirs may have other contents now.
        let popped = |value| match value {
            Value::Local(..) | Value::Const(..) => operand(value),
            _ => ValuePlace::Unknown,
        };
        let with = |kind: Kind, place| PlacedValue { kind, place };
        let locals = (0..state.locals.len() as u32)
            .map(|index| with(state.locals[index as usize].kind, local(index)));
        let stack = &state.stack;
        let operands: Vec<_> = match site {
            Site::Call => stack.iter().map(|&v| with(v.kind(), operand(v))).collect(),
            Site::Trap => {
                let values = before.iter().enumerate().map(|(i, &value)| {
                    let place = match stack.get(i) == Some(&value) {
                        true => operand(value),
                        false => popped(value),
                    };
                    with(value.kind(), place)
                });
                values.collect()
            }
        };
        (locals.collect(), operands)
    }

    /// The description of the finished function.
    pub(crate) fn described(&mut self, code: CompiledFunction) -> DescribedCode {
        let recorder = self.recorder.take();
        let sites = recorder.map_or_else(Vec::new, |recorder| recorder.sites);
        let sites = sites.into_iter().map(|(pos, mut values)| {
            values.code = self.masm.code_offset(pos);
            values
        });
        let mut sites: Vec<_> = sites.collect();
        sites.sort_by_key(|site| site.code);
        DescribedCode {
            saved: self.saved_registers(code.frame_size),
            code,
            sites,
        }
    }
}
