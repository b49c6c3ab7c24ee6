/* Zstandard's compression on three threads of its own pool, which POSIX threads are made for; over
 * prose. The result does not depend on the order in which they run. */
#define NAME "zstd_threads"
#define DEFAULT_SCALE 1
#define ZSTD_STATIC_LINKING_ONLY
#include "inputs.h"
#include "library.h"
#include "zstd.h"

/* Parts of half a mebibyte, which is the least that the library gives to a thread. */
enum { SIZE = 3 << 19, PART = 1 << 19, THREADS = 3, LEVEL = 1 };

static u64 library(u32 scale) {
    static char text[SIZE], packed[ZSTD_COMPRESSBOUND(SIZE)], unpacked[SIZE];
    u64 sum = 0;
    ZSTD_CCtx *context = ZSTD_createCCtx();
    REQUIRE(context);
    REQUIRE(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, THREADS)));
    REQUIRE(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_jobSize, PART)));
    REQUIRE(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL)));
    prose(text, SIZE);
    for (u32 round = 0; round < scale; round++) {
        text[round % SIZE] ^= 1;
        size_t length = ZSTD_compress2(context, packed, sizeof packed, text, SIZE);
        REQUIRE(!ZSTD_isError(length));
        REQUIRE(ZSTD_decompress(unpacked, SIZE, packed, length) == SIZE);
        REQUIRE(memcmp(text, unpacked, SIZE) == 0);
        sum = mix_bytes(sum, packed, length);
    }
    ZSTD_freeCCtx(context);
    return sum;
}
