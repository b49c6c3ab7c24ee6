/* Single precision: a finite impulse response filter, one multiply-add and two loads per tap. */
#define KERNEL "fir"
#define DEFAULT_SCALE 2
#include "kernel.h"

enum { SAMPLES = 4096, TAPS = 32 };
static float input[SAMPLES + TAPS], taps[TAPS], output[SAMPLES];

NOINLINE static void filter(void) {
    for (u32 i = 0; i < SAMPLES; i++) {
        float total = 0;
        for (u32 t = 0; t < TAPS; t++) total += input[i + t] * taps[t];
        output[i] = total;
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < SAMPLES + TAPS; i++) input[i] = (float)((i * 37) % 101) / 101.0f;
    for (u32 t = 0; t < TAPS; t++) taps[t] = 1.0f / (float)(t + 2);
    for (u32 round = 0; round < scale; round++) {
        filter();
        input[round % SAMPLES] = output[(round * 11) % SAMPLES] * 0.125f;
        sum = mix(sum, bits((double)output[round % SAMPLES]));
    }
    return sum;
}
