/* zlib's CRC-32, over random bytes. */
#define NAME "zlib_crc32"
#define DEFAULT_SCALE 10
#include "inputs.h"
#include "library.h"
#include "zlib.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static u64 bytes[SIZE / 8];
    u64 sum = 0;
    for (u32 i = 0; i < SIZE / 8; i++) bytes[i] = rng();
    for (u32 round = 0; round < scale; round++) {
        sum = mix(sum, crc32(0, (const Bytef *)bytes, SIZE));
        bytes[round % (SIZE / 8)] ^= sum;
    }
    return sum;
}
