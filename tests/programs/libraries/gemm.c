/* C := alpha A B + beta C over doubles, matrices by rows, the innermost loop along a row. */
#define NAME "gemm"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"

NOINLINE static void gemm(int n, double alpha, const double *a, const double *b, double beta,
                          double *c) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) c[i * n + j] *= beta;
        for (int k = 0; k < n; k++) {
            double scaled = alpha * a[i * n + k];
            for (int j = 0; j < n; j++) c[i * n + j] += scaled * b[k * n + j];
        }
    }
}

static u64 library(u32 scale) {
    enum { N = 128 };
    double *a = malloc(sizeof(double) * N * N), *b = malloc(sizeof(double) * N * N);
    double *c = calloc(N * N, sizeof(double));
    u64 sum = 0;
    REQUIRE(a && b && c);
    for (int i = 0; i < N * N; i++) {
        a[i] = (double)(i * 7 % 101) / 101;
        b[i] = (double)(i * 5 % 103) / 103;
    }
    for (u32 round = 0; round < scale; round++) {
        gemm(N, 0.5, a, b, 0.25, c);
        sum = mix(sum, bits(c[round * 31 % (N * N)]));
    }
    free(a);
    free(b);
    free(c);
    return sum;
}
