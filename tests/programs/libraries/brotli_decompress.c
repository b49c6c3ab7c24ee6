/* Brotli's decompression, over prose that it has packed. */
#define NAME "brotli_decompress"
#define DEFAULT_SCALE 3
#include "inputs.h"
#include "library.h"
#include "brotli/decode.h"
#include "brotli/encode.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE];
    static u8 packed[SIZE], again[SIZE];
    size_t length = SIZE;
    u64 sum = 0;
    prose(text, SIZE);
    REQUIRE(BrotliEncoderCompress(5, 18, BROTLI_MODE_TEXT, SIZE, (const u8 *)text, &length,
                                  packed));
    for (u32 round = 0; round < scale; round++) {
        size_t size = SIZE;
        REQUIRE(BrotliDecoderDecompress(length, packed, &size, again)
                == BROTLI_DECODER_RESULT_SUCCESS);
        sum = mix(sum, again[round % SIZE]);
    }
    REQUIRE(memcmp(text, again, SIZE) == 0);
    return mix(sum, length);
}
