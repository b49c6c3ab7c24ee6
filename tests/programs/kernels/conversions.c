/* Conversions: between integers and both float widths, truncating and saturating; rounding. */
#define KERNEL "conversions"
#define DEFAULT_SCALE 20000
#include "kernel.h"

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < scale; i++) {
        u64 r = rng();
        double d = (double)(i64)r, e = (double)r;
        float f = (float)(i32)r, g = (float)(u32)r;
        d = __builtin_floor(d / 1e6) + __builtin_ceil(e / 1e9) + __builtin_trunc(f / 3) + __builtin_nearbyint(g / 7);
        sum = mix(sum, (u64)(i64)d + (u64)(i32)(f / 2) + (u64)(e / 4) + (u32)(g / 2));
        sum = mix(sum, bits(__builtin_copysign(__builtin_fabs(d), -e)) ^ bits(__builtin_sqrt(e)));
    }
    return sum;
}
