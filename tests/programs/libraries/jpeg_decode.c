/* mozjpeg unpacks a picture. */
#define NAME "jpeg_decode"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "picture.h"
#include "jpeg.h"

static void unpack(u8 *pixels, const u8 *packed, unsigned long size) {
    struct jpeg_decompress_struct job;
    struct jpeg_error_mgr errors;
    job.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&job);
    jpeg_mem_src(&job, packed, size);
    REQUIRE(jpeg_read_header(&job, TRUE) == JPEG_HEADER_OK);
    jpeg_start_decompress(&job);
    REQUIRE(job.output_width == WIDTH && job.output_height == HEIGHT);
    while (job.output_scanline < HEIGHT) {
        JSAMPROW row = pixels + job.output_scanline * ROW;
        jpeg_read_scanlines(&job, &row, 1);
    }
    jpeg_finish_decompress(&job);
    jpeg_destroy_decompress(&job);
}

static u64 library(u32 scale) {
    static u8 pixels[ROW * HEIGHT];
    unsigned long size = 0;
    u64 sum = 0;
    paint(pixels, WIDTH, HEIGHT);
    unsigned char *packed = pack(pixels, &size);
    for (u32 round = 0; round < scale; round++) {
        unpack(pixels, packed, size);
        sum = mix_bytes(sum, pixels + round % HEIGHT * ROW, ROW);
    }
    free(packed);
    return sum;
}
