/* Vectors of bytes, looked up and shuffled: base64 of a text and back, with a check. */
#define KERNEL "simd_base64"
#define DEFAULT_SCALE 60
#include "kernel.h"
#include "vectors.h"

enum { GROUPS = 512, BYTES = GROUPS * 12, LETTERS = GROUPS * 16, SLACK = 4 };
static u8 plain[BYTES + SLACK], coded[LETTERS], decoded[BYTES + SLACK];

/* What is added to numbers of 6 bits to make letters of them, by range of numbers. */
static const u8x16 TO_LETTER = {'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, (u8)('+' - 62),
                                (u8)('/' - 63), 'A', 0, 0};

NOINLINE static void encode(void) {
    for (u32 i = 0; i < GROUPS; i++) {
        u8x16 in = load(&plain[i * 12]);
        u32x4 three = (u32x4)__builtin_shufflevector(in, (u8x16){0}, 2, 1, 0, 16, 5, 4, 3, 16, 8, 7, 6, 16,
                                                     11, 10, 9, 16);
        u8x16 numbers = (u8x16)((three >> 18 & 0x3f) | (three >> 4 & 0x3f00) | (three << 10 & 0x3f0000) |
                                (three << 24 & 0x3f000000));
        u8x16 range = __builtin_elementwise_sub_sat(numbers, (u8x16){0} + 51);
        range |= (u8x16)(numbers < 26) & 13;
        store(&coded[i * 16], numbers + look_up(TO_LETTER, range));
    }
}

/* By their high and low halves, what letters are not: those that are none have a bit in both. */
static const u8x16 WRONG_LOW = {0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a};
static const u8x16 WRONG_HIGH = {0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                                 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10};
static const u8x16 TO_NUMBER = {0, 16, 19, 4, (u8)-65, (u8)-65, (u8)-71, (u8)-71, 0, 0, 0, 0, 0, 0, 0, 0};

/* The number of groups up to the first that has another byte than letters. */
NOINLINE static u32 decode(void) {
    for (u32 i = 0; i < GROUPS; i++) {
        u8x16 letters = load(&coded[i * 16]), high = letters >> 4;
        if (any(look_up(WRONG_LOW, letters & 15) & look_up(WRONG_HIGH, high))) return i;
        u32x4 n = (u32x4)(letters + look_up(TO_NUMBER, high + (u8x16)(letters == '/')));
        u32x4 three = (n << 18 & 0xfc0000) | (n << 4 & 0x3f000) | (n >> 10 & 0xfc0) | n >> 24;
        u8x16 bytes = (u8x16)three;
        bytes = __builtin_shufflevector(bytes, bytes, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 3, 7, 11, 15);
        store(&decoded[i * 12], bytes);
    }
    return GROUPS;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < BYTES; i++) plain[i] = (u8)rng();
    for (u32 round = 0; round < scale; round++) {
        encode();
        u32 at = round * 97 % LETTERS;
        u8 letter = coded[at];
        if (round % 8 == 7) coded[at] = (u8)(round >> 3);
        sum = mix(sum, decode());
        sum = mix(sum, letter | decoded[round * 31 % BYTES] << 8);
        plain[round % BYTES] += decoded[(round + 1) % BYTES] ^ letter;
    }
    for (u32 i = 0; i < BYTES; i++) sum = mix(sum, decoded[i]);
    return sum;
}
