/* Vectors of floats and of small integers: dot products of a vector with the rows of a table. */
#define KERNEL "simd_dot"
#define DEFAULT_SCALE 60
#include "kernel.h"
#include "vectors.h"

enum { ROWS = 24, LENGTH = 768 };
static float floats[ROWS][LENGTH], wanted[LENGTH];
static i8 bytes[ROWS][LENGTH], rounded[LENGTH];

static inline f32x4 four(const float *from) {
    f32x4 values;
    __builtin_memcpy(&values, from, sizeof values);
    return values;
}

NOINLINE static float dot(const float *left, const float *right) {
    f32x4 sums[4] = {{0}, {0}, {0}, {0}};
    for (u32 i = 0; i < LENGTH; i += 16) {
        for (u32 part = 0; part < 4; part++) sums[part] += four(&left[i + part * 4]) * four(&right[i + part * 4]);
    }
    f32x4 sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline i16x8 widened(i8x16 values, u32 high) {
    typedef i8 i8x8 __attribute__((vector_size(8)));
    i8x8 half = high ? __builtin_shufflevector(values, values, 8, 9, 10, 11, 12, 13, 14, 15)
                     : __builtin_shufflevector(values, values, 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_convertvector(half, i16x8);
}

NOINLINE static i32 dot_bytes(const i8 *left, const i8 *right) {
    i32x4 sum = {0};
    for (u32 i = 0; i < LENGTH; i += 16) {
        i8x16 a = (i8x16)load((const u8 *)&left[i]), b = (i8x16)load((const u8 *)&right[i]);
        sum += dot_pairs(widened(a, 0), widened(b, 0)) + dot_pairs(widened(a, 1), widened(b, 1));
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < LENGTH; i++) {
        wanted[i] = (float)(i % 37) / 37.0f - 0.5f;
        rounded[i] = (i8)(i * 11);
        for (u32 row = 0; row < ROWS; row++) {
            floats[row][i] = (float)((i * 13 + row) % 101) / 101.0f - 0.4f;
            bytes[row][i] = (i8)(i * 7 + row * 5);
        }
    }
    for (u32 round = 0; round < scale; round++) {
        u32 best = 0, best_bytes = 0;
        float most = -1e30f;
        i32 most_bytes = -(1 << 30);
        for (u32 row = 0; row < ROWS; row++) {
            float found = dot(floats[row], wanted);
            if (found > most) most = found, best = row;
            i32 also = dot_bytes(bytes[row], rounded);
            if (also > most_bytes) most_bytes = also, best_bytes = row;
        }
        sum = mix(mix(sum, bits((double)most)), (u64)(u32)most_bytes << 16 | best << 8 | best_bytes);
        wanted[round % LENGTH] -= floats[best][round * 5 % LENGTH] / 8.0f;
        rounded[round * 3 % LENGTH] ^= bytes[best_bytes][round % LENGTH];
    }
    return sum;
}
