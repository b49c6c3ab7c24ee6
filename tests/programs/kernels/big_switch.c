/* Control flow: a dense switch of 64 different cases in a function that is hot and large. */
#define KERNEL "big_switch"
#define DEFAULT_SCALE 40000
#include "kernel.h"

#define CASE(n) case (n): x = (x ^ (0x9E3779B9u * ((n) + 1))) + (x << ((n) % 13 + 1)); y += x >> ((n) % 7); break;
#define CASE4(n) CASE(n) CASE((n) + 1) CASE((n) + 2) CASE((n) + 3)
#define CASE16(n) CASE4(n) CASE4((n) + 4) CASE4((n) + 8) CASE4((n) + 12)

NOINLINE static u64 step(u32 selector, u32 x, u32 y) {
    switch (selector & 63) { CASE16(0) CASE16(16) CASE16(32) CASE16(48) }
    return (u64)x << 32 | y;
}

static u64 kernel(u32 scale) {
    u64 v = 1;
    for (u32 i = 0; i < scale; i++) v = step((u32)(v >> 40) + i, (u32)(v >> 32), (u32)v);
    return v;
}
