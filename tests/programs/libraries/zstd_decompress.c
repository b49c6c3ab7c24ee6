/* Zstandard's decompression, over prose that it has packed. */
#define NAME "zstd_decompress"
#define DEFAULT_SCALE 3
#include "inputs.h"
#include "library.h"
#include "zstd.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE], packed[ZSTD_COMPRESSBOUND(SIZE)], again[SIZE];
    u64 sum = 0;
    prose(text, SIZE);
    size_t length = ZSTD_compress(packed, sizeof packed, text, SIZE, 3);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    REQUIRE(context && !ZSTD_isError(length));
    for (u32 round = 0; round < scale; round++) {
        REQUIRE(ZSTD_decompressDCtx(context, again, SIZE, packed, length) == SIZE);
        sum = mix(sum, (u8)again[round % SIZE]);
    }
    REQUIRE(memcmp(text, again, SIZE) == 0);
    ZSTD_freeDCtx(context);
    return mix(sum, length);
}
