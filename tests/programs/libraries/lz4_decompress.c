/* LZ4's decompression, over prose that LZ4 has packed. */
#define NAME "lz4_decompress"
#define DEFAULT_SCALE 10
#include "inputs.h"
#include "library.h"
#include "lz4.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE], packed[LZ4_COMPRESSBOUND(SIZE)], again[SIZE];
    u64 sum = 0;
    prose(text, SIZE);
    int length = LZ4_compress_default(text, packed, SIZE, sizeof packed);
    REQUIRE(length > 0);
    for (u32 round = 0; round < scale; round++) {
        REQUIRE(LZ4_decompress_safe(packed, again, length, SIZE) == SIZE);
        sum = mix(sum, (u8)again[round % SIZE]);
    }
    REQUIRE(memcmp(text, again, SIZE) == 0);
    return mix(sum, (u64)length);
}
