/* Calls: Takeuchi's function, three arguments, three nested recursive calls as arguments. */
#define KERNEL "tak"
#define DEFAULT_SCALE 12
#include "kernel.h"

NOINLINE static i32 tak(i32 x, i32 y, i32 z) {
    if (y >= x) return z;
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static u64 kernel(u32 scale) { return mix(scale, (u64)tak((i32)scale, (i32)scale * 2 / 3, (i32)scale / 3)); }
