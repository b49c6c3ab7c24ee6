/* Vectors of floats: a product of square matrices, four columns at once. */
#define KERNEL "simd_matmul"
#define DEFAULT_SCALE 40
#include "kernel.h"

typedef float f32x4 __attribute__((vector_size(16)));

enum { SIZE = 64 };
static float a[SIZE][SIZE];
static f32x4 b[SIZE][SIZE / 4], product[SIZE][SIZE / 4];

NOINLINE static void multiply(void) {
    for (u32 row = 0; row < SIZE; row++) {
        for (u32 col = 0; col < SIZE / 4; col++) {
            f32x4 total = {0, 0, 0, 0};
            for (u32 k = 0; k < SIZE; k++) total += a[row][k] * b[k][col];
            product[row][col] = total;
        }
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < SIZE; i++) {
        for (u32 j = 0; j < SIZE; j++) {
            a[i][j] = (float)((i * 7 + j * 3) % 17) / 17.0f;
            b[i][j / 4][j % 4] = (float)((i * 5 + j) % 13) / 13.0f;
        }
    }
    for (u32 round = 0; round < scale; round++) {
        multiply();
        f32x4 some = product[round % SIZE][round / 3 % (SIZE / 4)];
        a[round % SIZE][round / 7 % SIZE] = some[round % 4] / 64.0f;
        sum = mix(sum, bits((double)some[0] + some[1] + some[2] + some[3]));
    }
    return sum;
}
