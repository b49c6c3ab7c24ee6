/* Dynamic programming: edit distance of two texts; three-way minimum, two rows of 16-bit cells. */
#define KERNEL "edit_distance"
#define DEFAULT_SCALE 1
#include "kernel.h"

enum { LENGTH = 400 };
static char a[LENGTH], b[LENGTH];
static u16 rows[2][LENGTH + 1];

NOINLINE static u32 distance(void) {
    for (u32 j = 0; j <= LENGTH; j++) rows[0][j] = (u16)j;
    for (u32 i = 1; i <= LENGTH; i++) {
        u16 *before = rows[(i - 1) & 1], *now = rows[i & 1];
        now[0] = (u16)i;
        for (u32 j = 1; j <= LENGTH; j++) {
            u32 best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1u < best) best = before[j] + 1u;
            if (now[j - 1] + 1u < best) best = now[j - 1] + 1u;
            now[j] = (u16)best;
        }
    }
    return rows[LENGTH & 1][LENGTH];
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 round = 0; round < scale; round++) {
        for (u32 i = 0; i < LENGTH; i++) {
            a[i] = (char)('a' + (rng() >> 61));
            b[i] = rng() >> 62 ? a[i] : 'z';
        }
        sum = mix(sum, distance());
    }
    return sum;
}
