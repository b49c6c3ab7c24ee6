/* A picture for image libraries: shapes with smooth shades and a little noise. */

#include "../kernels/kernel.h"

static inline void paint(u8 *pixels, u32 width, u32 height) {
    for (u32 y = 0; y < height; y++)
        for (u32 x = 0; x < width; x++) {
            u32 noise = (u32)(rng() >> 62);
            u32 dx = x - width / 2, dy = y - height / 2;
            u32 inside = dx * dx + dy * dy < width * height / 9;
            u8 *pixel = pixels + 3 * (y * width + x);
            pixel[0] = (u8)(inside ? 200 - y % 64 + noise : x * 255 / width);
            pixel[1] = (u8)(y * 255 / height / (1 + inside) + noise);
            pixel[2] = (u8)((x / 16 + y / 16) % 2 ? 90 + noise : 170);
        }
}
