/* Vectors of bytes and of 16-bit products: an image with alpha is laid over another one. */
#define KERNEL "simd_composite"
#define DEFAULT_SCALE 60
#include "kernel.h"
#include "vectors.h"

enum { WIDTH = 256, HEIGHT = 64, BYTES = WIDTH * HEIGHT * 4 };
static u8 above[BYTES], below[BYTES];

/* Products with numbers of 255ths, rounded to the nearest. */
static inline u16x8 scaled(u16x8 values, u16x8 by) {
    u16x8 product = values * by + 128;
    return (product + (product >> 8)) >> 8;
}

/* Colours are multiplied with their alpha already, so a colour lets through what alpha leaves. */
NOINLINE static void lay(u8 *to, const u8 *from, u32 opacity) {
    u16x8 faded = (u16x8){0} + (u16)opacity;
    for (u32 i = 0; i < BYTES; i += 16) {
        u8x16 source = load(&from[i]), target = load(&to[i]);
        u16x8 low = scaled(low_half(source), faded), high = scaled(high_half(source), faded);
        source = narrow((i16x8)low, (i16x8)high);
        u8x16 through = ~__builtin_shufflevector(source, source, 3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11,
                                                 15, 15, 15, 15);
        low = scaled(low_half(target), low_half(through));
        high = scaled(high_half(target), high_half(through));
        target = narrow((i16x8)low, (i16x8)high);
        store(&to[i], __builtin_elementwise_add_sat(source, target));
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < BYTES; i += 4) {
        u32 alpha = (i / 4 * 7 + i / 1024) & 255;
        for (u32 colour = 0; colour < 3; colour++) {
            above[i + colour] = (u8)((i * (colour + 3) >> 3 & 255) * alpha / 255);
            below[i + colour] = (u8)(i >> (colour + 4));
        }
        above[i + 3] = (u8)alpha;
        below[i + 3] = 255;
    }
    for (u32 round = 0; round < scale; round++) {
        lay(below, above, round * 37 & 255);
        u32 at = round * 1021 % BYTES;
        sum = mix(sum, below[at] | below[BYTES - 1 - at] << 8);
        below[at] ^= (u8)(round * 5);
    }
    for (u32 i = 0; i < BYTES; i++) sum = mix(sum, below[i]);
    return sum;
}
