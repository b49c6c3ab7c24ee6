/* Vectors of bytes as sets of conditions: words of a text, found by its spaces, 16 at once. */
#define KERNEL "simd_scan"
#define DEFAULT_SCALE 150
#include "kernel.h"

typedef signed char i8x16 __attribute__((vector_size(16)));

enum { BLOCKS = 2048 };
static i8x16 text[BLOCKS];

/* Counts letters, and the blocks that have a space. */
NOINLINE static u32 scan(signed char space) {
    u32 with_space = 0;
    i8x16 letters = {0};
    u32 total = 0;
    for (u32 i = 0; i < BLOCKS; i++) {
        i8x16 block = text[i];
        i8x16 is_space = block == space;
        with_space += __builtin_reduce_or(is_space) != 0;
        letters -= (block >= 'a') & (block <= 'z');
        if (i % 64 == 63) {
            for (u32 lane = 0; lane < 16; lane++) total += (unsigned char)letters[lane];
            letters ^= letters;
        }
    }
    return total * 4096 + with_space;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < BLOCKS; i++) {
        for (u32 lane = 0; lane < 16; lane++) text[i][lane] = (signed char)((i * lane + i / 5) % 96 + 32);
    }
    for (u32 round = 0; round < scale; round++) {
        sum = mix(sum, scan((signed char)(32 + round % 4)));
        text[round * 7 % BLOCKS][round % 16] += 1;
    }
    return sum;
}
