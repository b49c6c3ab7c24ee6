/* mozjpeg, as fast as libjpeg-turbo without vectors, packs a picture. */
#define NAME "jpeg_encode"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "picture.h"
#include "jpeg.h"

static u64 library(u32 scale) {
    static u8 pixels[ROW * HEIGHT];
    u64 sum = 0;
    paint(pixels, WIDTH, HEIGHT);
    for (u32 round = 0; round < scale; round++) {
        unsigned long size = 0;
        unsigned char *packed = pack(pixels, &size);
        sum = mix_bytes(sum, packed, size);
        pixels[round * 97 % sizeof pixels] ^= 0x20;
        free(packed);
    }
    return sum;
}
