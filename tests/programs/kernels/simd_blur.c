/* Vectors of bytes and of words: an image of bytes, of which each becomes the mean of 3 x 3. */
#define KERNEL "simd_blur"
#define DEFAULT_SCALE 60
#include "kernel.h"

typedef unsigned char u8x8 __attribute__((vector_size(8)));
typedef unsigned short u16x8 __attribute__((vector_size(16)));

enum { WIDTH = 256, HEIGHT = 128, MARGIN = 16 };
static unsigned char image[HEIGHT + 2][WIDTH + 2 * MARGIN], result[HEIGHT + 2][WIDTH + 2 * MARGIN];

static u16x8 eight(const unsigned char *from) {
    u8x8 bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    return __builtin_convertvector(bytes, u16x8);
}

NOINLINE static void blur(void) {
    for (u32 y = 1; y <= HEIGHT; y++) {
        for (u32 x = MARGIN; x < MARGIN + WIDTH; x += 8) {
            u16x8 total = {0};
            for (u32 row = y - 1; row <= y + 1; row++) {
                const unsigned char *at = &image[row][x];
                total += eight(at - 1) + eight(at) + eight(at + 1);
            }
            /* 57 / 512 is a little more than a ninth. */
            u8x8 mean = __builtin_convertvector((total * 57) >> 9 & 0xff, u8x8);
            mean ^= __builtin_convertvector(total & 1, u8x8);
            __builtin_memcpy(&result[y][x], &mean, sizeof mean);
        }
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 y = 0; y < HEIGHT + 2; y++) {
        for (u32 x = 0; x < WIDTH + 2 * MARGIN; x++) image[y][x] = (unsigned char)(x * y + 3 * x);
    }
    for (u32 round = 0; round < scale; round++) {
        blur();
        u32 y = round % HEIGHT + 1, x = MARGIN + round * 31 % WIDTH;
        image[y][x] ^= result[y][x];
        sum = mix(sum, result[y][x] + 256 * result[HEIGHT - y / 2][x]);
    }
    return sum;
}
