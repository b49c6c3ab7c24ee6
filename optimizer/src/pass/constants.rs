//! Makes constants where a branch passes them to a block.
//!
//! A local that is set to a constant is one value, however many branches take it along: producers
//! set a function's result once, before a dozen early exits. That value would hold a register from
//! the assignment to the last of the branches, in a function with loops or calls one that must be
//! saved. An instruction that makes the constant takes as long as the move between the registers.
//!
//! On the edges of a conditional branch the constant is made in a block of its own, as Cranelift
//! makes one for the move.

use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, Function, Inst, InstBuilder, InstructionData, Opcode, Type,
};

/// The most constants that are made for one edge: an allocator's work grows with the number of
/// values, and a branch can pass hundreds.
const MAX_MADE: usize = 4;

/// Makes the constants. Must run behind [`Context::optimize`], which removes parameters that are
/// the same constant on each edge; computes the dominator tree again if there are new blocks.
pub(crate) fn make_where_passed(context: &mut Context) {
    let func = &mut context.func;
    let mut has_new_blocks = false;
    let mut next = func.layout.entry_block();
    while let Some(block) = next {
        next = func.layout.next_block(block);
        let Some(branch) = func.layout.last_inst(block) else {
            continue;
        };
        match func.dfg.insts[branch].opcode() {
            Opcode::Jump => make(func, block, branch),
            Opcode::Brif => {
                for edge in 0..2 {
                    if passes_constants(func, block, branch, edge) {
                        split(func, block, branch, edge);
                        has_new_blocks = true;
                    }
                }
            }
            _ => {}
        }
    }
    if has_new_blocks {
        context.compute_cfg();
        context.compute_domtree();
    }
}

/// Makes the constants that an edge of a block's conditional branch passes in a new block on it.
fn split(func: &mut Function, block: Block, branch: Inst, edge: usize) {
    let target = edge_of(func, branch, edge).block(&func.dfg.value_lists);
    let between = func.dfg.make_block();
    func.layout.insert_block_after(between, block);
    if func.layout.is_cold(target) {
        func.layout.set_cold(between);
    }
    let args: Vec<BlockArg> = edge_of(func, branch, edge)
        .args(&func.dfg.value_lists)
        .collect();
    let mut cursor = FuncCursor::new(func).at_bottom(between);
    let jump = cursor.ins().jump(target, &args);
    func.set_srcloc(jump, func.srcloc(branch));
    make(func, block, jump);
    let through = BlockCall::new(between, [], &mut func.dfg.value_lists);
    set_edge(func, branch, edge, through);
}

/// Makes the constants that a jump passes in front of it, but for those that `block` has made.
fn make(func: &mut Function, block: Block, jump: Inst) {
    if !passes_constants(func, block, jump, 0) {
        return;
    }
    let call = edge_of(func, jump, 0);
    let target = call.block(&func.dfg.value_lists);
    let mut args: Vec<BlockArg> = call.args(&func.dfg.value_lists).collect();
    let mut made = 0;
    for arg in &mut args {
        let Some((ty, imm)) = constant_from_elsewhere(func, block, *arg) else {
            continue;
        };
        if made == MAX_MADE {
            break;
        }
        made += 1;
        let location = func.srcloc(jump);
        let mut cursor = FuncCursor::new(func).at_inst(jump).with_srcloc(location);
        *arg = BlockArg::Value(cursor.ins().iconst(ty, imm));
    }
    let passed = BlockCall::new(target, args, &mut func.dfg.value_lists);
    set_edge(func, jump, 0, passed);
}

/// Whether an edge passes a constant that another block than this one has made.
fn passes_constants(func: &Function, block: Block, branch: Inst, edge: usize) -> bool {
    edge_of(func, branch, edge)
        .args(&func.dfg.value_lists)
        .any(|arg| constant_from_elsewhere(func, block, arg).is_some())
}

/// Type and bits of an argument that is a constant which another block has made.
fn constant_from_elsewhere(func: &Function, block: Block, arg: BlockArg) -> Option<(Type, Imm64)> {
    let value = arg.as_value()?;
    let inst = func.dfg.value_def(value).inst()?;
    let InstructionData::UnaryImm {
        opcode: Opcode::Iconst,
        imm,
    } = func.dfg.insts[inst]
    else {
        return None;
    };
    let is_elsewhere = func.layout.inst_block(inst) != Some(block);
    is_elsewhere.then(|| (func.dfg.value_type(value), imm))
}

fn edge_of(func: &Function, branch: Inst, edge: usize) -> BlockCall {
    let dfg = &func.dfg;
    dfg.insts[branch].branch_destination(&dfg.jump_tables, &dfg.exception_tables)[edge]
}

fn set_edge(func: &mut Function, branch: Inst, edge: usize, call: BlockCall) {
    let dfg = &mut func.dfg;
    let edges =
        dfg.insts[branch].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
    edges[edge] = call;
}
