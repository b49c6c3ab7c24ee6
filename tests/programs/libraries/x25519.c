/* Monocypher's X25519: one exchange after the other. */
#define NAME "x25519"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "monocypher.h"

static u64 library(u32 scale) {
    u8 secret[32], public[32], shared[32];
    prose((char *)secret, sizeof secret);
    crypto_x25519_public_key(public, secret);
    for (u32 round = 0; round < scale; round++) {
        crypto_x25519(shared, secret, public);
        memcpy(secret, shared, sizeof secret);
    }
    return mix_bytes(0, secret, sizeof secret);
}
