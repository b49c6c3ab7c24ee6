/* Register pressure: twenty values live across a loop, more than the processor has registers. */
#define KERNEL "pressure"
#define DEFAULT_SCALE 40000
#include "kernel.h"

NOINLINE static u64 churn(u32 count) {
    u64 a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10;
    u32 k = 11, l = 12, m = 13, n = 14, o = 15, p = 16, q = 17, r = 18, s = 19, t = 20;
    for (u32 x = 0; x < count; x++) {
        a += j ^ k; b ^= a + l; c -= b & m; d += c | n; e ^= d + o;
        f += e - p; g ^= f + q; h -= g ^ r; i += h | s; j ^= i + t;
        k += (u32)a; l ^= (u32)b; m -= (u32)c; n += (u32)d; o ^= (u32)e;
        p += (u32)f; q ^= (u32)g; r -= (u32)h; s += (u32)i; t ^= (u32)j;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l ^ m ^ n ^ o ^ p ^ q ^ r ^ s ^ t;
}

static u64 kernel(u32 scale) { return churn(scale); }
