/* Vectors of 16-bit integers with saturation: frames of luma and halved chroma become RGBA. */
#define KERNEL "simd_yuv"
#define DEFAULT_SCALE 40
#include "kernel.h"
#include "vectors.h"

enum { WIDTH = 320, HEIGHT = 64 };
static u8 luma[HEIGHT][WIDTH], blue[HEIGHT / 2][WIDTH / 2], red[HEIGHT / 2][WIDTH / 2];
static u8 pixels[HEIGHT][WIDTH * 4];

static inline i16x8 chroma(const u8 *from) {
    u8x8 bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    return (i16x8)(__builtin_convertvector(bytes, u16x8) - 128);
}

/* A colour of 16 pixels from scaled luma and what eight pairs add to it. */
static inline u8x16 colour(i16x8 low, i16x8 high, i16x8 pairs) {
    i16x8 add_low = __builtin_shufflevector(pairs, pairs, 0, 0, 1, 1, 2, 2, 3, 3);
    i16x8 add_high = __builtin_shufflevector(pairs, pairs, 4, 4, 5, 5, 6, 6, 7, 7);
    low = __builtin_elementwise_add_sat(low, add_low);
    high = __builtin_elementwise_add_sat(high, add_high);
    return narrow(low >> 6, high >> 6);
}

static inline u8x16 zip_low(u8x16 a, u8x16 b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline u8x16 zip_high(u8x16 a, u8x16 b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

static inline u8x16 zip_pairs(u8x16 a, u8x16 b, u32 high) {
    u16x8 left = (u16x8)a, right = (u16x8)b;
    if (high) return (u8x16)__builtin_shufflevector(left, right, 4, 12, 5, 13, 6, 14, 7, 15);
    return (u8x16)__builtin_shufflevector(left, right, 0, 8, 1, 9, 2, 10, 3, 11);
}

NOINLINE static void convert(void) {
    u8x16 opaque = (u8x16){0} + 255;
    for (u32 y = 0; y < HEIGHT; y++) {
        for (u32 x = 0; x < WIDTH; x += 16) {
            u8x16 light = load(&luma[y][x]);
            i16x8 low = (i16x8)((low_half(light) - 16) * 75), high = (i16x8)((high_half(light) - 16) * 75);
            i16x8 u = chroma(&blue[y / 2][x / 2]), v = chroma(&red[y / 2][x / 2]);
            u8x16 r = colour(low, high, v * 102);
            u8x16 g = colour(low, high, u * -25 + v * -52);
            u8x16 b = colour(low, high, u * 129);
            u8x16 rg = zip_low(r, g), ba = zip_low(b, opaque);
            u8 *to = &pixels[y][x * 4];
            store(to, zip_pairs(rg, ba, 0));
            store(to + 16, zip_pairs(rg, ba, 1));
            rg = zip_high(r, g);
            ba = zip_high(b, opaque);
            store(to + 32, zip_pairs(rg, ba, 0));
            store(to + 48, zip_pairs(rg, ba, 1));
        }
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 y = 0; y < HEIGHT; y++) {
        for (u32 x = 0; x < WIDTH; x++) {
            luma[y][x] = (u8)(x * 3 + y * 5);
            blue[y / 2][x / 2] = (u8)(x * 7 - y);
            red[y / 2][x / 2] = (u8)(x + y * 11);
        }
    }
    for (u32 round = 0; round < scale; round++) {
        convert();
        u32 y = round % HEIGHT, x = round * 29 % WIDTH;
        u8 *pixel = &pixels[y][x * 4];
        sum = mix(sum, pixel[0] | pixel[1] << 8 | pixel[2] << 16 | (u32)pixel[3] << 24);
        luma[y][x] ^= pixel[0];
        blue[y / 2][x / 2] += pixel[1];
        red[y / 2][x / 2] -= pixel[2];
    }
    return sum;
}
