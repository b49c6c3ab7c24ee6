/* Brotli's compression at quality 5, over prose. */
#define NAME "brotli_compress"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "brotli/encode.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE];
    static u8 packed[SIZE];
    u64 sum = 0;
    prose(text, SIZE);
    for (u32 round = 0; round < scale; round++) {
        size_t length = SIZE;
        text[round % SIZE] ^= 1;
        REQUIRE(BrotliEncoderCompress(5, 18, BROTLI_MODE_TEXT, SIZE, (const u8 *)text, &length,
                                      packed));
        sum = mix(sum, length ^ packed[length / 2]);
    }
    return sum;
}
