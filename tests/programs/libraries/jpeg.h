/* What both programs around the JPEG library share. */

#include "jpeglib.h"

enum { WIDTH = 192, HEIGHT = 160, ROW = 3 * WIDTH };

/* Packs a picture at quality 80; the memory is malloc's. */
static unsigned char *pack(const unsigned char *pixels, unsigned long *size) {
    struct jpeg_compress_struct job;
    struct jpeg_error_mgr errors;
    unsigned char *packed = NULL;
    job.err = jpeg_std_error(&errors);
    jpeg_create_compress(&job);
    jpeg_c_set_int_param(&job, JINT_COMPRESS_PROFILE, JCP_FASTEST);
    jpeg_mem_dest(&job, &packed, size);
    job.image_width = WIDTH;
    job.image_height = HEIGHT;
    job.input_components = 3;
    job.in_color_space = JCS_RGB;
    jpeg_set_defaults(&job);
    jpeg_set_quality(&job, 80, TRUE);
    jpeg_start_compress(&job, TRUE);
    while (job.next_scanline < HEIGHT) {
        JSAMPROW row = (JSAMPROW)(pixels + job.next_scanline * ROW);
        jpeg_write_scanlines(&job, &row, 1);
    }
    jpeg_finish_compress(&job);
    jpeg_destroy_compress(&job);
    return packed;
}
