/* Products of 10×10 matrices of doubles, as small fixed-size matrices are written in C. */
#define NAME "matrix10"
#define DEFAULT_SCALE 1000
#include "inputs.h"
#include "library.h"

enum { N = 10 };
typedef double matrix[N][N];

NOINLINE static void multiply(matrix out, matrix a, matrix b) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double total = 0;
            for (int k = 0; k < N; k++) total += a[i][k] * b[k][j];
            out[i][j] = total;
        }
}

static u64 library(u32 scale) {
    static matrix a, b, c;
    u64 sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = 1.0 / (1 + i + j);
            b[i][j] = i == j ? 1.0 : 0.125 / (1 + i);
        }
    for (u32 round = 0; round < scale; round++) {
        multiply(c, a, b);
        sum = mix(sum, bits(c[round % N][3]));
        a[round % N][(round / N) % N] = c[3][round % N] / 4;
    }
    return sum;
}
