/* zlib's deflate at its default level, over prose. */
#define NAME "zlib_deflate"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "zlib.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE];
    static Bytef packed[SIZE];
    u64 sum = 0;
    prose(text, SIZE);
    for (u32 round = 0; round < scale; round++) {
        uLongf length = SIZE;
        text[round % SIZE] ^= 1;
        REQUIRE(compress2(packed, &length, (const Bytef *)text, SIZE, 6) == Z_OK);
        sum = mix_bytes(sum, packed, length);
    }
    return sum;
}
