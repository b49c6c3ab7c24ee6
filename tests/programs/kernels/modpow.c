/* Division: modular powers by repeated squaring, one 64-bit remainder per step. */
#define KERNEL "modpow"
#define DEFAULT_SCALE 400
#include "kernel.h"

NOINLINE static u64 power(u64 base, u64 exponent, u64 modulus) {
    u64 result = 1;
    for (base %= modulus; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < scale; i++) {
        u64 modulus = (rng() >> 33) | 1;
        sum = mix(sum, power(rng(), rng(), modulus) + (u64)((i64)sum / (i64)(i + 1)) + (u32)sum % (i + 1));
    }
    return sum;
}
