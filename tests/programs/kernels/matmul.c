/* Floating point and memory: dense double matrix product, the textbook triple loop. */
#define KERNEL "matmul"
#define DEFAULT_SCALE 1
#include "kernel.h"

enum { N = 96 };
static double a[N][N], b[N][N], c[N][N];

NOINLINE static void multiply(void) {
    for (u32 i = 0; i < N; i++)
        for (u32 j = 0; j < N; j++) {
            double total = 0;
            for (u32 k = 0; k < N; k++) total += a[i][k] * b[k][j];
            c[i][j] = total;
        }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < N; i++)
        for (u32 j = 0; j < N; j++) {
            a[i][j] = (double)(i + j) / N;
            b[i][j] = (double)((i * 7 + j * 3) % N) / N;
        }
    for (u32 round = 0; round < scale; round++) {
        multiply();
        a[round % N][(round * 5) % N] += c[3][round % N] / 1024;
        sum = mix(sum, bits(c[round % N][N / 2]));
    }
    return sum;
}
