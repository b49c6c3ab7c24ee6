/* Indirect calls whose target is always the same: what speculative inlining is for. */
#define KERNEL "indirect_stable"
#define DEFAULT_SCALE 50000
#include "kernel.h"

typedef u32 (*operation)(u32, u32);
NOINLINE static u32 add(u32 x, u32 i) { return x + i * 3; }
NOINLINE static u32 scramble(u32 x, u32 i) { return (x ^ i) * 2654435761u; }
static operation volatile chosen[2] = { add, scramble };

NOINLINE static u32 fold(operation f, u32 count) {
    u32 x = 1;
    for (u32 i = 0; i < count; i++) x = f(x, i);
    return x;
}

static u64 kernel(u32 scale) { return mix(scale, fold(chosen[1], scale)); }
