/* Vectors of bytes and tables: is a text valid UTF-8? By three look-ups for each byte and the one
 * before it, after Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte". */
#define KERNEL "simd_utf8"
#define DEFAULT_SCALE 100
#include "kernel.h"
#include "vectors.h"

enum { BLOCKS = 1024, LENGTH = BLOCKS * 16 };
static u8 text[LENGTH];

enum {
    TOO_SHORT = 1 << 0,      /* a lead byte without what must follow */
    TOO_LONG = 1 << 1,       /* a continuation behind ASCII */
    OVERLONG_3 = 1 << 2,     /* E0 80..9F */
    TOO_LARGE = 1 << 3,      /* F4 90.. and above */
    SURROGATE = 1 << 4,      /* ED A0..BF */
    OVERLONG_2 = 1 << 5,     /* C0 and C1 */
    TOO_LARGE_1000 = 1 << 6, /* F5 and above, followed by 80..8F */
    OVERLONG_4 = 1 << 6,     /* F0 80..8F */
    TWO_CONTS = 1 << 7,      /* two continuations: right only behind longer lead bytes */
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};

/* By the high half of the byte before, its low half, and the high half of the byte. */
static const u8x16 BEFORE_HIGH = {
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
    TWO_CONTS, TWO_CONTS, TWO_CONTS, TWO_CONTS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};
static const u8x16 BEFORE_LOW = {
    CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, CARRY | OVERLONG_2, CARRY, CARRY,
    CARRY | TOO_LARGE, CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000};
static const u8x16 HERE_HIGH = {
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT};

static inline u8x16 wrong(u8x16 before, u8x16 here) {
    u8x16 one = __builtin_shufflevector(before, here, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                        27, 28, 29, 30);
    u8x16 two = __builtin_shufflevector(before, here, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                                        26, 27, 28, 29);
    u8x16 three = __builtin_shufflevector(before, here, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                                          25, 26, 27, 28);
    u8x16 found = look_up(BEFORE_HIGH, one >> 4) & look_up(BEFORE_LOW, one & 15) & look_up(HERE_HIGH, here >> 4);
    u8x16 third = __builtin_elementwise_sub_sat(two, (u8x16){0} + (0xe0 - 0x80));
    u8x16 fourth = __builtin_elementwise_sub_sat(three, (u8x16){0} + (0xf0 - 0x80));
    return ((third | fourth) & 0x80) ^ found;
}

/* The number of blocks that have something wrong; the end of the text counts as ASCII. */
NOINLINE static u32 validate(void) {
    u32 bad = 0;
    u8x16 before = {0};
    for (u32 i = 0; i < BLOCKS; i++) {
        u8x16 here = load(&text[i * 16]);
        if (any((here | before) & 0x80)) bad += (u32)any(wrong(before, here));
        before = here;
    }
    return bad + (u32)any(wrong(before, (u8x16){0}));
}

static u32 put(u32 at, u32 point) {
    if (point < 0x80) {
        text[at++] = (u8)point;
        return at;
    }
    u32 more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    text[at++] = (u8)((0xf00 >> more & 0xff) | point >> 6 * more);
    while (more--) text[at++] = (u8)(0x80 | (point >> 6 * more & 0x3f));
    return at;
}

static u64 kernel(u32 scale) {
    static const u32 points[] = {'a', 'b', 0xe4, 0x3c0, 'c', 0x20ac, 0x1f600, 'd', 0xffff, 0x10ffff, 0x800};
    u64 sum = 0;
    u32 at = 0;
    while (at < LENGTH - 4) at = put(at, at / 256 % 4 ? points[rng() % 11] : 32 + (u32)(rng() % 90));
    while (at < LENGTH) text[at++] = ' ';
    for (u32 round = 0; round < scale; round++) {
        u32 bad = validate();
        sum = mix(sum, bad);
        /* Some bytes become wrong, and right again later. */
        text[round / 2 * 61 % LENGTH] ^= (u8)(0x80 >> (round / 2 * 61 / LENGTH % 8));
    }
    return sum;
}
