/* 64-bit integers and unpredictable branches: lengths of Collatz sequences. */
#define KERNEL "collatz"
#define DEFAULT_SCALE 4000
#include "kernel.h"

NOINLINE static u32 length(u64 n) {
    u32 steps = 0;
    for (; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 1; i <= scale; i++) sum += (u64)length(i) * i;
    return sum;
}
