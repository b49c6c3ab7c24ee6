/* Memory, dependent loads: table-driven CRC-32, one lookup per byte, each waiting for the last. */
#define KERNEL "crc32"
#define DEFAULT_SCALE 4
#include "kernel.h"

enum { LENGTH = 1 << 16 };
static u32 table[256];
static u8 data[LENGTH];

NOINLINE static u32 crc(const u8 *p, u32 length) {
    u32 c = ~0u;
    for (u32 i = 0; i < length; i++) c = table[(c ^ p[i]) & 255] ^ c >> 8;
    return ~c;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (u32 bit = 0; bit < 8; bit++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (u32 i = 0; i < LENGTH; i++) data[i] = (u8)(rng() >> 56);
    for (u32 round = 0; round < scale; round++) {
        data[round % LENGTH]++;
        sum = mix(sum, crc(data, LENGTH));
    }
    return sum;
}
