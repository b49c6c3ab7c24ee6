//! Fuel: what operators cost, and where code takes that from its store.
//!
//! Where an engine consumes fuel, code subtracts from [`VmStore::fuel`](crate::vmctx::VmStore) what
//! the operators cost that it executes. Both compilers ask [`Charges`] where and how much, so that
//! a program has used the same fuel at each operator, whichever code runs it: inlined functions and
//! OSR entries charge what they would have charged otherwise.
//!
//! A *segment* is a sequence of operators that are executed one after the other once the first one
//! is, unless one traps. It is charged as a whole, in front of its first operator: what traps has
//! paid for its segment. Segments begin at a function's entry, at a loop's header, behind branches
//! and calls, and where ways join. At entries and headers the code looks whether fuel is left
//! (zero is: `n` units suffice for operators that cost `n`), and traps if not, so that what runs
//! without fuel ends within a straight piece of one function.
//!
//! Costs are Wasmtime's default ones. Operators on ranges of memories and tables (and `table.grow`)
//! cost a unit for each byte or element besides, which is charged and checked in front of them, by
//! instructions of their own.

use wasmparser::{FunctionBody, Operator};

/// Units that each call of a function costs besides its operators.
const ENTRY: u32 = 1;

/// Sizes of ranges from 2 to the power of this on are beyond any memory or table, and beyond any
/// fuel: the operator traps for lack of fuel without a charge. So no charge makes the counter wrap.
pub const BEYOND_FUEL_LOG2: u8 = 62;

/// Units that an operator costs, however large the range that it works on.
pub fn cost(operator: &Operator<'_>) -> u32 {
    match operator {
        Operator::Nop
        | Operator::Drop
        | Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::Unreachable
        | Operator::Return
        | Operator::Else
        | Operator::Catch { .. }
        | Operator::CatchAll
        | Operator::Delegate { .. }
        | Operator::End => 0,
        _ => 1,
    }
}

/// A piece of fuel that code takes in front of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The operator's offset in the module.
    pub at: u32,
    /// Units to take.
    pub units: u32,
    /// Whether the code traps here if less than nothing is left.
    pub checked: bool,
}

/// The charges of a function's body, in the order of its operators, and how many of them have been
/// taken. The default charges nothing.
#[derive(Clone, Debug, Default)]
pub struct Charges {
    list: Vec<Charge>,
    taken: usize,
}

impl Charges {
    /// Finds the charges of a body. Those of an invalid body are without meaning.
    pub fn of(body: &FunctionBody<'_>) -> Self {
        let mut scan = Scan::default();
        if let Ok(mut operators) = body.get_operators_reader() {
            scan.begin(operators.original_position(), ENTRY, true);
            scan.open(Opener::Block);
            while !operators.eof() && !scan.frames.is_empty() {
                let at = operators.original_position();
                let Ok(operator) = operators.read() else {
                    break;
                };
                scan.visit(&operator, at, operators.original_position());
            }
        }
        scan.drop_empty();
        Self {
            list: scan.list,
            taken: 0,
        }
    }

    /// The charge in front of the operator at an offset, if there is one. Called for each operator
    /// of the body, reachable or not, in their order.
    #[inline]
    pub fn at(&mut self, offset: u32) -> Option<Charge> {
        let next = *self.list.get(self.taken)?;
        if next.at != offset {
            return None;
        }
        self.taken += 1;
        Some(next)
    }

    /// All charges.
    pub fn all(&self) -> &[Charge] {
        &self.list
    }
}

/// What has opened a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    /// Something whose label is at its end, which control reaches from inside only.
    Block,
    Loop,
    /// An `if` before its `else`: control reaches the end also if the condition is false.
    If,
}

#[derive(Debug)]
struct Frame {
    opener: Opener,
    /// Whether control reaches the block.
    live: bool,
    /// Whether control reaches the end otherwise than from the operator in front of it.
    joins: bool,
}

#[derive(Default)]
struct Scan {
    list: Vec<Charge>,
    frames: Vec<Frame>,
    /// Whether control reaches the current operator, if all branches may be taken and not taken.
    unreachable: bool,
}

impl Scan {
    /// Begins a segment.
    fn begin(&mut self, at: u64, units: u32, checked: bool) {
        self.drop_empty();
        self.unreachable = false;
        self.list.push(Charge {
            at: at as u32,
            units,
            checked,
        });
    }

    /// Removes the last segment if it charges nothing.
    fn drop_empty(&mut self) {
        self.list
            .pop_if(|charge| charge.units == 0 && !charge.checked);
    }

    fn open(&mut self, opener: Opener) {
        self.frames.push(Frame {
            opener,
            live: !self.unreachable,
            joins: false,
        });
    }

    /// A branch to a label may be taken.
    fn branch(&mut self, depth: u32) {
        let mut frames = self.frames.iter_mut().rev();
        if let Some(frame) = frames.nth(depth as usize) {
            frame.joins |= !self.unreachable;
        }
    }

    /// A part of a block ends, and another one begins that is reached from elsewhere.
    fn next_part(&mut self, next: u64) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.opener = Opener::Block;
        frame.joins |= !self.unreachable;
        if frame.live {
            self.begin(next, 0, false);
        }
    }

    fn end(&mut self, next: u64) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let joins = match frame.opener {
            Opener::Block => frame.joins,
            Opener::Loop => false,
            Opener::If => frame.live,
        };
        if joins {
            self.begin(next, 0, false);
        }
    }

    /// A loop begins, with the operator at `next`.
    fn begin_loop(&mut self, at: u64, next: u64) {
        self.open(Opener::Loop);
        if self.unreachable {
            return;
        }
        // Each iteration of a loop that begins with another loop is one of that.
        self.list
            .pop_if(|charge| charge.units == 0 && u64::from(charge.at) == at);
        self.begin(next, 0, true);
    }

    fn visit(&mut self, operator: &Operator<'_>, at: u64, next: u64) {
        if !self.unreachable
            && let Some(charge) = self.list.last_mut()
        {
            charge.units = charge.units.saturating_add(cost(operator));
        }
        self.follow_blocks(operator, at, next);
        if !self.unreachable {
            self.follow_branches(operator, next);
        }
    }

    fn follow_blocks(&mut self, operator: &Operator<'_>, at: u64, next: u64) {
        match operator {
            Operator::Block { .. } | Operator::Try { .. } => self.open(Opener::Block),
            Operator::TryTable { try_table } => {
                for catch in &try_table.catches {
                    use wasmparser::Catch::{All, AllRef, One, OneRef};
                    let (One { label, .. }
                    | OneRef { label, .. }
                    | All { label }
                    | AllRef { label }) = *catch;
                    self.branch(label);
                }
                self.open(Opener::Block);
            }
            Operator::Loop { .. } => self.begin_loop(at, next),
            Operator::If { .. } => {
                self.open(Opener::If);
                if !self.unreachable {
                    self.begin(next, 0, false);
                }
            }
            Operator::Else | Operator::Catch { .. } | Operator::CatchAll => self.next_part(next),
            Operator::End | Operator::Delegate { .. } => self.end(next),
            _ => {}
        }
    }

    fn follow_branches(&mut self, operator: &Operator<'_>, next: u64) {
        match operator {
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                self.begin(next, 0, false);
            }
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth } => {
                self.branch(*relative_depth);
                self.begin(next, 0, false);
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.unreachable = true;
            }
            Operator::BrTable { targets } => {
                let depths = targets.targets().map_while(Result::ok);
                for depth in depths.chain([targets.default()]) {
                    self.branch(depth);
                }
                self.unreachable = true;
            }
            Operator::Return
            | Operator::Unreachable
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Rethrow { .. } => self.unreachable = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::{BinaryReader, Parser, Payload};

    use super::*;

    /// The charges of the first function of a module: units, `!` where they are checked, and the
    /// operator in front of which they are.
    fn charges(text: &str) -> Vec<String> {
        let wasm = wat::parse_str(text).unwrap();
        let body = Parser::new(0).parse_all(&wasm).find_map(|payload| {
            let Ok(Payload::CodeSectionEntry(body)) = payload else {
                return None;
            };
            Some(body.range())
        });
        let body = body.expect("there is a function");
        let bytes = &wasm[body.start as usize..body.end as usize];
        let body = FunctionBody::new(BinaryReader::new(bytes, body.start));
        let mut found = Charges::of(&body);
        let mut shown = Vec::new();
        let mut operators = body.get_operators_reader().unwrap();
        while let Ok((operator, at)) = operators.read_with_offset() {
            if let Some(Charge { units, checked, .. }) = found.at(at as u32) {
                let checked = if checked { "!" } else { "" };
                let operator = format!("{operator:?}");
                let name = operator.split([' ', '{', '(']).next().unwrap_or_default();
                shown.push(format!("{units}{checked} {name}"));
            }
        }
        assert_eq!(
            shown.len(),
            found.all().len(),
            "each is in front of an operator"
        );
        shown
    }

    #[test]
    fn blocks_that_nothing_branches_to_belong_to_the_segment_around() {
        let text = "(module (func (param i32)
            (block (nop) (drop (local.get 0)) (block (drop (i32.const 1))))
            (drop (i32.const 2))))";
        assert_eq!(charges(text), ["4! Block"]);
    }

    #[test]
    fn segments_begin_where_ways_part_and_join() {
        let text = "(module (func (param i32)
            (block
                (br_if 0 (local.get 0))
                (drop (i32.const 1)))
            (if (local.get 0) (then (drop (i32.const 2)) (drop (i32.const 3))))
            (if (local.get 0) (then (return)) (else (drop (i32.const 4))))
            (drop (i32.const 5))))";
        // Behind the second `if`, control comes from its `else` only.
        let expected = [
            "3! Block",
            "1 I32Const",
            "2 LocalGet",
            "2 I32Const",
            "2 LocalGet",
            "2 I32Const",
        ];
        assert_eq!(charges(text), expected);
    }

    #[test]
    fn headers_and_entries_are_checked() {
        let text = "(module (func $f (param i32)
            (loop (loop (call $f (local.get 0)) (br_if 1 (local.get 0)))
                (br 0))))";
        let expected = ["1! Loop", "2! LocalGet", "2 LocalGet", "1 End"];
        assert_eq!(charges(text), expected);
        let text = "(module (func (loop (block (br 1)))))";
        assert_eq!(charges(text), ["1! Loop", "1! Block"]);
        // Nothing costs anything in front of the branch.
        let text = "(module (func (loop (block (loop)) (br 0))))";
        assert_eq!(charges(text), ["1! Loop", "0! Block", "1! End"]);
    }

    #[test]
    fn what_can_not_be_reached_costs_nothing() {
        let text = "(module (func (result i32)
            (block (br 0) (drop (i32.const 1)) (loop (drop (i32.const 2))))
            (return (i32.const 3)) (drop (i32.const 4)) (i32.const 5)))";
        assert_eq!(charges(text), ["2! Block", "1 I32Const"]);
    }

    #[test]
    fn handlers_begin_segments() {
        let text = "(module (tag $t) (func $f (export \"f\")
            (block $caught
                (try_table (catch $t $caught) (call $f) (drop (i32.const 1))))
            (drop (i32.const 2))))";
        assert_eq!(charges(text), ["3! Block", "1 I32Const", "1 I32Const"]);
        let text = "(module (tag $t) (func $f (export \"f\")
            try (throw $t) catch $t (drop (i32.const 1)) catch_all (rethrow 0) end
            (drop (i32.const 2))))";
        assert_eq!(
            charges(text),
            ["3! Try", "1 I32Const", "1 Rethrow", "1 I32Const"]
        );
    }

    #[test]
    fn invalid_bodies_do_no_harm() {
        let body = [0, 0x0b, 0x0b, 0x05, 0x0c, 0x7f, 0x03, 0x40];
        for end in 0..=body.len() {
            let body = FunctionBody::new(BinaryReader::new(&body[..end], 0));
            Charges::of(&body);
        }
    }
}
