/* Vectors of 32-bit integers, many of them live: SHA-256 of four messages side by side. */
#define KERNEL "simd_sha"
#define DEFAULT_SCALE 100
#include "kernel.h"
#include "vectors.h"

static u32 k[64];
static u32x4 state[8], block[16];

/* The constants are the fractional parts of the cube roots of the first 64 primes. */
static void make_constants(void) {
    u32 found = 0;
    for (u32 n = 2; found < 64; n++) {
        u32 prime = 1;
        for (u32 d = 2; d * d <= n; d++)
            if (n % d == 0) prime = 0;
        if (!prime) continue;
        double root = n / 2.0;
        for (u32 i = 0; i < 60; i++) root -= (root * root * root - n) / (3 * root * root);
        k[found++] = (u32)(u64)((root - (double)(u32)root) * 4294967296.0);
    }
}

static inline u32x4 ror(u32x4 x, u32 n) { return x >> n | x << (32 - n); }

NOINLINE static void compress(void) {
    u32x4 w[64];
    for (u32 i = 0; i < 16; i++) w[i] = block[i];
    for (u32 i = 16; i < 64; i++) {
        u32x4 s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32x4 s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    u32x4 a = state[0], b = state[1], c = state[2], d = state[3];
    u32x4 e = state[4], f = state[5], g = state[6], h = state[7];
    for (u32 i = 0; i < 64; i++) {
        u32x4 t1 = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
        u32x4 t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g; g = f; f = e; e = d + t1;
        d = c; c = b; b = a; a = t1 + t2;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    make_constants();
    for (u32 i = 0; i < 8; i++) state[i] = (u32x4){i + 1, i + 11, i + 111, i + 1111} * 0x6a09e667u;
    for (u32 round = 0; round < scale; round++) {
        for (u32 i = 0; i < 16; i++) block[i] = state[i & 7] + i * round;
        compress();
    }
    for (u32 i = 0; i < 8; i++) {
        for (u32 lane = 0; lane < 4; lane++) sum = mix(sum, state[i][lane]);
    }
    return sum;
}
