/* One loop in the function that is called once: without OSR it stays in the first tier for ever. */
#define KERNEL "main_loop"
#define DEFAULT_SCALE 200000
#include "kernel.h"

static u64 kernel(u32 scale) {
    u64 a = 1, b = 2, c = 3, d = 4;
    for (u32 i = 0; i < scale; i++) {
        a += b ^ i;
        b = (b << 13 | b >> 51) * 5 + d;
        c ^= a >> 7;
        d -= c + (a & b);
    }
    return a ^ b ^ c ^ d;
}
