//! Translates exceptions of the older form into the standard one, for engines that lack the older.
//!
//! A `try` with clauses becomes a block for each clause around a `try_table`, whose exception a
//! local keeps, from where `rethrow` takes it:
//!
//! ```text
//! try BODY                   block $out
//! catch $tag HANDLER           block $caught (result ... exnref)
//! end                            try_table (catch_ref $tag $caught) BODY end
//!                                br $out
//!                              end
//!                              local.set $exception  HANDLER
//!                            end
//! ```
//!
//! A `try` that delegates catches everything, and branches into what it delegates to: there the
//! body is in a block behind which the exception is thrown on.

use std::collections::{HashMap, HashSet};

use wasm_encoder::{BlockType, Catch, Function, Instruction, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::additions::{Additions, Signature};

/// Operators that open a block, but those that catch.
macro_rules! opens {
    () => {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }
    };
}

/// Translates a module, which is valid.
pub fn translate(wasm: &[u8]) -> Vec<u8> {
    let mut additions = Additions::to(wasm);
    additions.rewrite(function);
    additions.write()
}

fn function<'a>(additions: &mut Additions<'a>, number: u32, body: &FunctionBody<'a>) -> Function {
    let reader = body.get_operators_reader().expect("valid");
    let operators = reader.into_iter().map(|operator| operator.expect("valid"));
    let operators: Vec<_> = operators.collect();
    let plan = Plan::of(&operators);
    let mut locals = additions.locals(body);
    let count: u32 = locals.iter().map(|(count, _)| count).sum();
    let first_exception = additions.signature(number).0.len() as u32 + count;
    locals.push((plan.tries.len() as u32, ValType::EXNREF));
    let results = additions.signature(number).1.clone();
    let mut writer = Writer {
        additions,
        plan: &plan,
        frames: Vec::new(),
        labels: 1,
        exceptions: first_exception,
        function: Function::new(locals),
    };
    writer.frames.push(Frame::new(0, Opener::Function));
    if plan.targets.contains(&Opener::Function) {
        writer.open_target(&(Vec::new(), results));
    }
    for (at, operator) in operators.into_iter().enumerate() {
        writer.operator(at, operator);
    }
    writer.function
}

/// What opens a block: the function, or the operator with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Opener {
    Function,
    At(usize),
}

/// What is known of a function before it is translated.
#[derive(Default)]
struct Plan {
    /// The clauses of each `try`, by its operator: a tag, or everything.
    tries: HashMap<usize, Vec<Option<u32>>>,
    /// To which block each `try` delegates that does.
    delegates: HashMap<usize, Opener>,
    /// The blocks to which others delegate.
    targets: HashSet<Opener>,
}

impl Plan {
    fn of(operators: &[Operator<'_>]) -> Self {
        let mut plan = Self::default();
        let mut open = Vec::new();
        let mut delegating = HashSet::new();
        for (at, operator) in operators.iter().enumerate() {
            match operator {
                Operator::Try { .. } => {
                    plan.tries.insert(at, Vec::new());
                    open.push(at);
                }
                opens!() | Operator::TryTable { .. } => open.push(at),
                Operator::Catch { tag_index } => plan.clause(&open, Some(*tag_index)),
                Operator::CatchAll => plan.clause(&open, None),
                Operator::Delegate { .. } => {
                    delegating.extend(open.pop());
                }
                Operator::End => {
                    open.pop();
                }
                _ => {}
            }
        }
        plan.find_targets(operators, &delegating);
        plan
    }

    fn clause(&mut self, open: &[usize], tag: Option<u32>) {
        let innermost = open.last().and_then(|at| self.tries.get_mut(at));
        innermost.expect("clauses are of a `try`").push(tag);
    }

    /// Finds for each `try` that delegates the innermost block, from its label outward, whose
    /// clauses get exceptions of its body.
    fn find_targets(&mut self, operators: &[Operator<'_>], delegating: &HashSet<usize>) {
        // The open blocks, each with whether it handles what its body throws now.
        let mut open = vec![(Opener::Function, true)];
        for (at, operator) in operators.iter().enumerate() {
            match operator {
                Operator::Try { .. } => {
                    let handles = !self.tries[&at].is_empty() || delegating.contains(&at);
                    open.push((Opener::At(at), handles));
                }
                Operator::TryTable { .. } => open.push((Opener::At(at), true)),
                opens!() => open.push((Opener::At(at), false)),
                Operator::Catch { .. } | Operator::CatchAll => {
                    open.last_mut().expect("a `try`").1 = false;
                }
                Operator::Delegate { relative_depth } => {
                    let (opener, _) = open.pop().expect("a `try`");
                    let around = &open[..open.len() - *relative_depth as usize];
                    let mut around = around.iter().rev();
                    let target = around.find(|(_, handles)| *handles);
                    let target = target.expect("the function gets all").0;
                    self.targets.insert(target);
                    if let Opener::At(at) = opener {
                        self.delegates.insert(at, target);
                    }
                }
                Operator::End => {
                    open.pop();
                }
                _ => {}
            }
        }
    }
}

/// An open block of the older form.
struct Frame {
    opener: Opener,
    /// The label that a branch to it takes now, counted from outside.
    label: u32,
    /// The label behind which an exception that is delegated to it is thrown on.
    target: Option<u32>,
    /// The local for the exception, if it is a `try` with clauses.
    exception: Option<u32>,
    /// How many of its clauses are behind.
    clauses: usize,
}

impl Frame {
    fn new(label: u32, opener: Opener) -> Self {
        Self {
            opener,
            label,
            target: None,
            exception: None,
            clauses: 0,
        }
    }
}

struct Writer<'w, 'a> {
    additions: &'w mut Additions<'a>,
    plan: &'w Plan,
    frames: Vec<Frame>,
    /// How many labels are open now.
    labels: u32,
    /// The next local for an exception.
    exceptions: u32,
    function: Function,
}

impl<'a> Writer<'_, 'a> {
    fn emit(&mut self, instruction: &Instruction<'_>) {
        self.function.instruction(instruction);
    }

    fn open(&mut self, instruction: &Instruction<'_>) {
        self.emit(instruction);
        self.labels += 1;
    }

    fn close(&mut self) {
        self.emit(&Instruction::End);
        self.labels -= 1;
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a block is open")
    }

    fn depth_of(&self, label: u32) -> u32 {
        self.labels - 1 - label
    }

    /// The depth of a block now that had another before.
    fn depth(&self, old: u32) -> u32 {
        self.depth_of(self.frames[self.frames.len() - 1 - old as usize].label)
    }

    fn block_type(&mut self, params: &[ValType], results: &[ValType]) -> BlockType {
        self.additions
            .block_type((params.to_vec(), results.to_vec()))
    }

    /// Begins what catches for a block that others delegate to: its body comes next.
    fn open_target(&mut self, (params, results): &Signature) {
        let around = self.block_type(params, results);
        let caught = self.block_type(params, &[ValType::EXNREF]);
        self.open(&Instruction::Block(around));
        self.frame().target = Some(self.labels);
        self.open(&Instruction::Block(caught));
    }

    /// Ends it behind the body.
    fn close_target(&mut self) {
        if self.frame().target.take().is_some() {
            self.emit(&Instruction::Br(1));
            self.close();
            self.emit(&Instruction::ThrowRef);
            self.close();
        }
    }

    fn operator(&mut self, at: usize, operator: Operator<'a>) {
        let opener = Opener::At(at);
        match operator {
            Operator::Try { blockty } => return self.open_try(at, blockty),
            Operator::Catch { .. } | Operator::CatchAll => return self.next_clause(),
            Operator::Delegate { .. } => {
                self.close_target();
                self.close();
                self.close();
                self.frames.pop();
                return;
            }
            Operator::Rethrow { relative_depth } => {
                let index = self.frames.len() - 1 - relative_depth as usize;
                let exception = self.frames[index].exception.expect("it has caught one");
                self.emit(&Instruction::LocalGet(exception));
                self.emit(&Instruction::ThrowRef);
                return;
            }
            Operator::End => {
                self.close_target();
                self.close();
                self.frames.pop();
                return;
            }
            _ => {}
        }
        let signature = match &operator {
            Operator::TryTable { try_table } if self.plan.targets.contains(&opener) => {
                Some(self.additions.block(try_table.ty))
            }
            _ => None,
        };
        let opens = matches!(operator, opens!() | Operator::TryTable { .. });
        let instruction = self.additions.encoded(operator);
        let instruction = self.with_depths(instruction);
        self.emit(&instruction);
        if opens {
            self.frames.push(Frame::new(self.labels, opener));
            self.labels += 1;
        }
        if let Some(signature) = signature {
            self.open_target(&signature);
        }
    }

    fn open_try(&mut self, at: usize, ty: wasmparser::BlockType) {
        let plan = self.plan;
        let signature = self.additions.block(ty);
        let (params, results) = &signature;
        let ty = self.block_type(params, results);
        let mut frame = Frame::new(self.labels, Opener::At(at));
        let clauses = &plan.tries[&at];
        let delegate = plan.delegates.get(&at);
        self.open(&Instruction::Block(ty));
        let mut catches = Vec::new();
        for (index, tag) in clauses.iter().enumerate().rev() {
            let mut values = tag.map_or_else(Vec::new, |tag| self.additions.tag_values(tag));
            values.push(ValType::EXNREF);
            let ty = self.block_type(params, &values);
            self.open(&Instruction::Block(ty));
            let label = index as u32;
            catches.push(match *tag {
                Some(tag) => Catch::OneRef { tag, label },
                None => Catch::AllRef { label },
            });
        }
        catches.reverse();
        if let Some(target) = delegate {
            let mut frames = self.frames.iter();
            let target = frames.find(|frame| frame.opener == *target);
            let label = target.and_then(|frame| frame.target);
            let label = self.depth_of(label.expect("the plan says that it is a target"));
            catches.push(Catch::AllRef { label });
        }
        if !clauses.is_empty() {
            frame.exception = Some(self.exceptions);
            self.exceptions += 1;
        }
        self.frames.push(frame);
        if !catches.is_empty() {
            self.open(&Instruction::TryTable(ty, catches.into()));
            if plan.targets.contains(&Opener::At(at)) {
                self.open_target(&signature);
            }
        }
    }

    /// The end of a `try`'s body or of a clause, and the beginning of the next clause.
    fn next_clause(&mut self) {
        if self.frame().clauses == 0 {
            self.close_target();
            self.close();
        }
        let out = self.depth(0);
        self.emit(&Instruction::Br(out));
        self.close();
        let frame = self.frame();
        frame.clauses += 1;
        let exception = frame.exception.expect("it has clauses");
        self.emit(&Instruction::LocalSet(exception));
    }

    /// An instruction that branches, with the depths that its targets have now.
    fn with_depths(&self, instruction: Instruction<'a>) -> Instruction<'a> {
        match instruction {
            Instruction::Br(depth) => Instruction::Br(self.depth(depth)),
            Instruction::BrIf(depth) => Instruction::BrIf(self.depth(depth)),
            Instruction::BrOnNull(depth) => Instruction::BrOnNull(self.depth(depth)),
            Instruction::BrOnNonNull(depth) => Instruction::BrOnNonNull(self.depth(depth)),
            Instruction::BrTable(depths, default) => {
                let depths: Vec<_> = depths.iter().map(|&depth| self.depth(depth)).collect();
                Instruction::BrTable(depths.into(), self.depth(default))
            }
            Instruction::TryTable(ty, catches) => {
                let catches: Vec<_> = catches.iter().map(|catch| self.catch(catch)).collect();
                Instruction::TryTable(ty, catches.into())
            }
            other => other,
        }
    }

    fn catch(&self, catch: &Catch) -> Catch {
        match *catch {
            Catch::One { tag, label } => Catch::One {
                tag,
                label: self.depth(label),
            },
            Catch::OneRef { tag, label } => Catch::OneRef {
                tag,
                label: self.depth(label),
            },
            Catch::All { label } => Catch::All {
                label: self.depth(label),
            },
            Catch::AllRef { label } => Catch::AllRef {
                label: self.depth(label),
            },
        }
    }
}
