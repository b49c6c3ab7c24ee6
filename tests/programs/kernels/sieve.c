/* Memory: sieve of Eratosthenes over a byte array; strided stores, then a counting scan. */
#define KERNEL "sieve"
#define DEFAULT_SCALE 1
#include "kernel.h"

enum { LIMIT = 1 << 20 };
static u8 composite[LIMIT];

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 round = 0; round < scale; round++) {
        u32 count = 0;
        for (u32 i = 0; i < LIMIT; i++) composite[i] = 0;
        for (u32 i = 2; i < LIMIT; i++) {
            if (composite[i]) continue;
            count++;
            for (u64 k = (u64)i * i; k < LIMIT; k += i) composite[k] = 1;
        }
        sum = mix(sum, count);
    }
    return sum;
}
