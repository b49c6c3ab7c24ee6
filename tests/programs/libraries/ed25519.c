/* Monocypher signs messages with Ed25519 and checks the signatures. */
#define NAME "ed25519"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "monocypher-ed25519.h"

static u64 library(u32 scale) {
    u8 seed[32], secret[64], public[32], message[100], signature[64];
    u64 sum = 0;
    prose((char *)seed, sizeof seed);
    prose((char *)message, sizeof message);
    crypto_ed25519_key_pair(secret, public, seed);
    for (u32 round = 0; round < scale; round++) {
        crypto_ed25519_sign(signature, secret, message, sizeof message);
        REQUIRE(crypto_ed25519_check(signature, public, message, sizeof message) == 0);
        sum = mix_bytes(sum, signature, sizeof signature);
        message[round % sizeof message] ^= signature[0];
    }
    return sum;
}
