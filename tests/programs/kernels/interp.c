/* An interpreter loop: a small register machine, one `br_table` that mispredicts per operation. */
#define KERNEL "interp"
#define DEFAULT_SCALE 100
#include "kernel.h"

enum op { ADD, SUB, MUL, XOR, SHL, LOADI, MOV, LOAD, STORE, JNZ, DEC, HALT };
struct insn { u8 op, a, b, c; };

static u32 memory[256];

/* Inner loop of 255 rounds over a mixing body; r15 counts the outer loop. */
static const struct insn program[] = {
    { LOADI, 0, 255, 0 }, { LOADI, 1, 17, 0 },  { LOADI, 4, 3, 0 },
    { LOAD, 2, 0, 0 },    { MUL, 2, 2, 1 },     { ADD, 2, 2, 15 },   { XOR, 3, 3, 2 },
    { SHL, 5, 3, 4 },     { SUB, 3, 5, 3 },     { MOV, 6, 3, 0 },    { STORE, 6, 0, 0 },
    { DEC, 0, 0, 0 },     { JNZ, 0, 3, 0 },     { DEC, 15, 0, 0 },   { JNZ, 15, 0, 0 },
    { HALT, 0, 0, 0 },
};

NOINLINE static u32 run(u32 rounds) {
    u32 r[16] = { 0 };
    r[15] = rounds;
    for (const struct insn *pc = program;; pc++) {
        switch ((enum op)pc->op) {
        case ADD: r[pc->a] = r[pc->b] + r[pc->c]; break;
        case SUB: r[pc->a] = r[pc->b] - r[pc->c]; break;
        case MUL: r[pc->a] = r[pc->b] * r[pc->c]; break;
        case XOR: r[pc->a] = r[pc->b] ^ r[pc->c]; break;
        case SHL: r[pc->a] = r[pc->b] << (r[pc->c] & 31); break;
        case LOADI: r[pc->a] = pc->b; break;
        case MOV: r[pc->a] = r[pc->b]; break;
        case LOAD: r[pc->a] = memory[r[pc->b] & 255]; break;
        case STORE: memory[r[pc->b] & 255] = r[pc->a]; break;
        case JNZ: if (r[pc->a]) pc = program + pc->b - 1; break;
        case DEC: r[pc->a]--; break;
        case HALT: return r[3];
        }
    }
}

static u64 kernel(u32 scale) { return mix(run(scale + 1), memory[77]); }
