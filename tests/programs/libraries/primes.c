/* The sieve of Eratosthenes over a byte for each odd number, in memory that malloc gave. */
#define NAME "primes"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"

NOINLINE static u32 sieve(char *composite, u32 limit) {
    u32 count = 1, half = limit / 2;
    memset(composite, 0, half);
    for (u32 i = 1; i < half; i++) {
        if (composite[i]) continue;
        u32 prime = 2 * i + 1;
        count++;
        for (u64 j = (u64)prime * prime / 2; j < half; j += prime) composite[j] = 1;
    }
    return count;
}

static u64 library(u32 scale) {
    enum { LIMIT = 400000 };
    char *composite = malloc(LIMIT / 2);
    u64 sum = 0;
    REQUIRE(composite);
    for (u32 round = 0; round < scale; round++)
        sum = mix(sum, sieve(composite, LIMIT - round % 1000));
    free(composite);
    return sum;
}
