/* Monocypher's Argon2 hashes passwords with a mebibyte of memory. */
#define NAME "argon2"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "monocypher.h"

static u64 library(u32 scale) {
    u8 hash[32], password[16], salt[16];
    void *area = malloc(1 << 20);
    u64 sum = 0;
    REQUIRE(area);
    prose((char *)password, sizeof password);
    prose((char *)salt, sizeof salt);
    crypto_argon2_config config = {CRYPTO_ARGON2_ID, 1024, 1, 1};
    crypto_argon2_inputs inputs = {password, salt, sizeof password, sizeof salt};
    for (u32 round = 0; round < scale; round++) {
        crypto_argon2(hash, sizeof hash, area, config, inputs, crypto_argon2_no_extras);
        sum = mix_bytes(sum, hash, sizeof hash);
        password[round % sizeof password] ^= hash[0];
    }
    free(area);
    return sum;
}
