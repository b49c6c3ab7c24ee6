/* The two-dimensional Jacobi iteration over doubles: each point becomes the mean of itself and its
 * four neighbours. */
#define NAME "jacobi"
#define DEFAULT_SCALE 4
#include "inputs.h"
#include "library.h"

enum { N = 130 };

NOINLINE static void step(double (*restrict to)[N], double (*restrict from)[N]) {
    for (int i = 1; i < N - 1; i++)
        for (int j = 1; j < N - 1; j++)
            to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i - 1][j]
                              + from[i + 1][j]);
}

static u64 library(u32 scale) {
    static double a[N][N], b[N][N];
    u64 sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = ((double)i * (j + 2) + 2) / N;
            b[i][j] = ((double)i * (j + 3) + 3) / N;
        }
    for (u32 round = 0; round < scale; round++) {
        step(b, a);
        step(a, b);
        sum = mix(sum, bits(a[1 + round % (N - 2)][N / 2]));
    }
    return sum;
}
