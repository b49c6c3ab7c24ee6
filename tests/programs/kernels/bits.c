/* Bit counting: population counts, leading and trailing zeros, rotates, 64 bits wide. */
#define KERNEL "bits"
#define DEFAULT_SCALE 50000
#include "kernel.h"

static u64 kernel(u32 scale) {
    u64 sum = 0, x = 0x0123456789ABCDEFull;
    for (u32 i = 0; i < scale; i++) {
        u64 r = rng() | 1;
        u32 turn = (u32)__builtin_ctzll(r) + (u32)__builtin_popcountll(x);
        x = (x << (turn & 63) | x >> (-turn & 63)) ^ r;
        sum += (u64)__builtin_clzll(r) * 3 + (u64)(i8)x + (u64)(i32)r;
    }
    return mix(sum, x);
}
