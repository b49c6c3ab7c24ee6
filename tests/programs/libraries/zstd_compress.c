/* Zstandard's compression at its default level, over prose. */
#define NAME "zstd_compress"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "zstd.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE], packed[ZSTD_COMPRESSBOUND(SIZE)];
    u64 sum = 0;
    ZSTD_CCtx *context = ZSTD_createCCtx();
    REQUIRE(context);
    prose(text, SIZE);
    for (u32 round = 0; round < scale; round++) {
        text[round % SIZE] ^= 1;
        size_t length = ZSTD_compressCCtx(context, packed, sizeof packed, text, SIZE, 3);
        REQUIRE(!ZSTD_isError(length));
        sum = mix(sum, length ^ (u8)packed[length / 2]);
    }
    ZSTD_freeCCtx(context);
    return sum;
}
