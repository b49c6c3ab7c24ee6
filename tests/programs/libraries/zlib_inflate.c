/* zlib's inflate, over prose that zlib has packed. */
#define NAME "zlib_inflate"
#define DEFAULT_SCALE 3
#include "inputs.h"
#include "library.h"
#include "zlib.h"

enum { SIZE = 1 << 16 };

static u64 library(u32 scale) {
    static char text[SIZE];
    static Bytef packed[SIZE], again[SIZE];
    uLongf length = SIZE;
    u64 sum = 0;
    prose(text, SIZE);
    REQUIRE(compress2(packed, &length, (const Bytef *)text, SIZE, 6) == Z_OK);
    for (u32 round = 0; round < scale; round++) {
        uLongf size = SIZE;
        REQUIRE(uncompress(again, &size, packed, length) == Z_OK && size == SIZE);
        sum = mix(sum, again[round % SIZE]);
    }
    REQUIRE(memcmp(text, again, SIZE) == 0);
    return mix(sum, length);
}
