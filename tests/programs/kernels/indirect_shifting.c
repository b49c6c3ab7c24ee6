/* Indirect calls whose target changes by phase, then on every call: feedback goes stale. */
#define KERNEL "indirect_shifting"
#define DEFAULT_SCALE 50000
#include "kernel.h"

typedef u32 (*operation)(u32, u32);
NOINLINE static u32 add(u32 x, u32 i) { return x + i * 3; }
NOINLINE static u32 scramble(u32 x, u32 i) { return (x ^ i) * 2654435761u; }
NOINLINE static u32 rotate(u32 x, u32 i) { return (x << 7 | x >> 25) + i; }
NOINLINE static u32 fold_down(u32 x, u32 i) { return x - (i ^ x >> 3); }
static operation volatile chosen[4] = { add, scramble, rotate, fold_down };

static u64 kernel(u32 scale) {
    u32 x = 1, phase = scale / 8 + 1;
    for (u32 i = 0; i < scale / 2; i++) x = chosen[i / phase & 3](x, i);
    for (u32 i = 0; i < scale / 2; i++) x = chosen[(i * 5 + (x >> 9)) & 3](x, i);
    return mix(scale, x);
}
