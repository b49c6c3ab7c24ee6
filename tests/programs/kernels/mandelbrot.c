/* Floating point in registers: escape times, a data-dependent inner loop without memory. */
#define KERNEL "mandelbrot"
#define DEFAULT_SCALE 48
#include "kernel.h"

NOINLINE static u32 escape(double cx, double cy) {
    double x = 0, y = 0;
    for (u32 i = 0; i < 200; i++) {
        double x2 = x * x, y2 = y * y;
        if (x2 + y2 > 4) return i;
        y = 2 * x * y + cy;
        x = x2 - y2 + cx;
    }
    return 200;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 row = 0; row < scale; row++)
        for (u32 col = 0; col < scale; col++)
            sum = mix(sum, escape(col * 3.0 / scale - 2.2, row * 2.4 / scale - 1.2));
    return sum;
}
