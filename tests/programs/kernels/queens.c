/* Backtracking: all placements of queens, three bit masks as arguments, shallow recursion. */
#define KERNEL "queens"
#define DEFAULT_SCALE 7
#include "kernel.h"

NOINLINE static u32 place(u32 full, u32 columns, u32 left, u32 right) {
    if (columns == full) return 1;
    u32 count = 0;
    for (u32 open = full & ~(columns | left | right); open;) {
        u32 bit = open & -open;
        open -= bit;
        count += place(full, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

static u64 kernel(u32 scale) { return mix(scale, place((1u << scale) - 1, 0, 0, 0)); }
