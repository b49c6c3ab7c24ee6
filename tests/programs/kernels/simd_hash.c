/* Vectors of integers: four sums of a text side by side, each word multiplied and rotated in. */
#define KERNEL "simd_hash"
#define DEFAULT_SCALE 100
#include "kernel.h"

typedef u32 u32x4 __attribute__((vector_size(16)));

enum { BLOCKS = 4096 };
static u32x4 text[BLOCKS];

NOINLINE static u32x4 hash(u32 seed) {
    u32x4 state = {seed + 0x9e3779b1, seed + 0x85ebca77, seed, seed - 0x9e3779b1};
    for (u32 i = 0; i < BLOCKS; i++) {
        state += text[i] * 0x85ebca77;
        state = state << 13 | state >> 19;
        state *= 0x9e3779b1;
        state ^= __builtin_shufflevector(state, state, 1, 2, 3, 0) >> 16;
    }
    return state;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < BLOCKS; i++) text[i] = (u32x4){i, i * 3, i * i, ~i};
    for (u32 round = 0; round < scale; round++) {
        u32x4 state = hash(round);
        text[round % BLOCKS] += state;
        sum = mix(sum, (u64)state[0] << 32 | (state[1] ^ state[2] ^ state[3]));
    }
    return sum;
}
