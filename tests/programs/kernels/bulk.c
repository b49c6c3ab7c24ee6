/* Bulk memory: fills and overlapping copies of many sizes, so small that the call cost shows. */
#define KERNEL "bulk"
#define DEFAULT_SCALE 1000
#include "kernel.h"

enum { LENGTH = 1 << 16 };
static u8 data[LENGTH];

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < LENGTH; i++) data[i] = (u8)(rng() >> 56);
    for (u32 i = 0; i < scale; i++) {
        u64 r = rng();
        u32 length = 1 + ((u32)r & (0xFFF >> ((r >> 32) & 7)));
        u32 from = (u32)(r >> 40) % (LENGTH - length), to = (u32)(r >> 20) % (LENGTH - length);
        __builtin_memmove(data + to, data + from, length);
        if ((r >> 62) == 0) __builtin_memset(data + from, (i32)(u8)r, length / 4);
        sum = mix(sum, data[(from + to) % LENGTH]);
    }
    return sum;
}
