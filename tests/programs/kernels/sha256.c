/* 32-bit integers: SHA-256 compression; rotates, additions, eight live values. */
#define KERNEL "sha256"
#define DEFAULT_SCALE 400
#include "kernel.h"

static u32 k[64], state[8];

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

static inline u32 ror(u32 x, u32 n) { return x >> n | x << (32 - n); }

NOINLINE static void compress(const u32 *block) {
    u32 w[64], v[8];
    for (u32 i = 0; i < 16; i++) w[i] = block[i];
    for (u32 i = 16; i < 64; i++) {
        u32 s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];
    for (u32 i = 0; i < 64; i++) {
        u32 t1 = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
        u32 t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g; g = f; f = e; e = d + t1;
        d = c; c = b; b = a; a = t1 + t2;
    }
    v[0] = a; v[1] = b; v[2] = c; v[3] = d; v[4] = e; v[5] = f; v[6] = g; v[7] = h;
    for (u32 i = 0; i < 8; i++) state[i] += v[i];
}

static u64 kernel(u32 scale) {
    static u32 block[16];
    u64 sum = 0;
    make_constants();
    for (u32 i = 0; i < 8; i++) state[i] = 0x6a09e667u * (i + 1);
    for (u32 round = 0; round < scale; round++) {
        for (u32 i = 0; i < 16; i++) block[i] = state[i & 7] + i * round;
        compress(block);
    }
    for (u32 i = 0; i < 8; i++) sum = mix(sum, state[i]);
    return sum;
}
