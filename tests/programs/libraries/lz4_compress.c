/* LZ4's fast compression, over prose. */
#define NAME "lz4_compress"
#define DEFAULT_SCALE 5
#include "inputs.h"
#include "library.h"
#include "lz4.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE], packed[LZ4_COMPRESSBOUND(SIZE)];
    u64 sum = 0;
    prose(text, SIZE);
    for (u32 round = 0; round < scale; round++) {
        text[round % SIZE] ^= 1;
        int length = LZ4_compress_default(text, packed, SIZE, sizeof packed);
        REQUIRE(length > 0);
        sum = mix(sum, (u64)length ^ (u8)packed[(u32)length / 2]);
    }
    return sum;
}
