/* stb_image reads a PNG picture, whose rows use all of the format's filters. */
#define NAME "png_decode"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "picture.h"
#include "zlib.h"
#include "stb_image.c"

enum { WIDTH = 192, HEIGHT = 160, ROW = 3 * WIDTH };

static u8 *put32(u8 *at, u32 value) {
    for (int shift = 24; shift >= 0; shift -= 8) *at++ = (u8)(value >> shift);
    return at;
}

static u8 *put_chunk(u8 *at, const char *kind, const u8 *bytes, size_t size) {
    u8 *start = put32(at, (u32)size);
    memcpy(start, kind, 4);
    memcpy(start + 4, bytes, size);
    return put32(start + 4 + size, (u32)crc32(0, start, (uInt)size + 4));
}

static int paeth(int left, int up, int corner) {
    int guess = left + up - corner;
    int a = abs(guess - left), b = abs(guess - up), c = abs(guess - corner);
    return a <= b && a <= c ? left : b <= c ? up : corner;
}

/* One row behind the number of its filter. */
static void filter_row(u8 *out, const u8 *pixels, u32 y) {
    const u8 *row = pixels + y * ROW;
    out[0] = (u8)(y % 5);
    for (u32 x = 0; x < ROW; x++) {
        int left = x >= 3 ? row[x - 3] : 0, up = y > 0 ? row[(int)x - ROW] : 0;
        int corner = x >= 3 && y > 0 ? row[(int)x - ROW - 3] : 0;
        int guesses[5] = {0, left, up, (left + up) / 2, paeth(left, up, corner)};
        out[1 + x] = (u8)(row[x] - guesses[y % 5]);
    }
}

static size_t encode(u8 *png, const u8 *pixels) {
    static u8 rows[(ROW + 1) * HEIGHT], packed[ROW * HEIGHT];
    u8 header[13], *at = png;
    uLongf length = sizeof packed;
    for (u32 y = 0; y < HEIGHT; y++) filter_row(rows + y * (ROW + 1), pixels, y);
    REQUIRE(compress2(packed, &length, rows, sizeof rows, 6) == Z_OK);
    memcpy(at, "\x89PNG\r\n\x1a\n", 8);
    put32(put32(header, WIDTH), HEIGHT);
    memcpy(header + 8, "\x08\x02\0\0", 5);
    at = put_chunk(at + 8, "IHDR", header, sizeof header);
    at = put_chunk(at, "IDAT", packed, length);
    return (size_t)(put_chunk(at, "IEND", NULL, 0) - png);
}

static u64 library(u32 scale) {
    static u8 pixels[ROW * HEIGHT], png[ROW * HEIGHT + 100];
    u64 sum = 0;
    paint(pixels, WIDTH, HEIGHT);
    size_t size = encode(png, pixels);
    for (u32 round = 0; round < scale; round++) {
        int width, height, channels;
        u8 *again = stbi_load_from_memory(png, (int)size, &width, &height, &channels, 3);
        REQUIRE(again && width == WIDTH && height == HEIGHT);
        REQUIRE(round > 0 || memcmp(again, pixels, sizeof pixels) == 0);
        sum = mix(sum, again[round % sizeof pixels]);
        stbi_image_free(again);
    }
    return mix(sum, size);
}
