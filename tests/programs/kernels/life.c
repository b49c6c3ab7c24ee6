/* Two-dimensional byte arrays: the game of life on a torus, eight neighbour loads per cell. */
#define KERNEL "life"
#define DEFAULT_SCALE 4
#include "kernel.h"

enum { SIDE = 128 };
static u8 grid[2][SIDE][SIDE];

NOINLINE static u32 step(u32 from) {
    u32 alive = 0;
    for (u32 y = 0; y < SIDE; y++)
        for (u32 x = 0; x < SIDE; x++) {
            u32 n = 0;
            for (u32 dy = SIDE - 1; dy <= SIDE + 1; dy++)
                for (u32 dx = SIDE - 1; dx <= SIDE + 1; dx++)
                    n += grid[from][(y + dy) % SIDE][(x + dx) % SIDE];
            u8 now = grid[from][y][x];
            u8 next = n == 3 || (n == 4 && now);
            grid[!from][y][x] = next;
            alive += next;
        }
    return alive;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 y = 0; y < SIDE; y++)
        for (u32 x = 0; x < SIDE; x++) grid[0][y][x] = rng() >> 63;
    for (u32 i = 0; i < scale; i++) sum = mix(sum, step(i & 1));
    return sum;
}
