/* Strings and hashing: FNV-1a over short words, open addressing, a byte compare per hit. */
#define KERNEL "hashmap"
#define DEFAULT_SCALE 20000
#include "kernel.h"

enum { SLOTS = 1 << 13, WORD = 12 };
struct slot { u32 used, count; char word[WORD]; };
static struct slot slots[SLOTS];

NOINLINE static u32 hash(const char *word, u32 length) {
    u32 h = 2166136261u;
    for (u32 i = 0; i < length; i++) h = (h ^ (u8)word[i]) * 16777619u;
    return h;
}

NOINLINE static u32 same(const char *a, const char *b) {
    for (u32 i = 0; i < WORD; i++)
        if (a[i] != b[i]) return 0;
    return 1;
}

NOINLINE static struct slot *find(const char *word, u32 length) {
    for (u32 at = hash(word, length);; at++) {
        struct slot *s = &slots[at % SLOTS];
        if (!s->used) {
            s->used = 1;
            for (u32 i = 0; i < WORD; i++) s->word[i] = word[i];
            return s;
        }
        if (same(s->word, word)) return s;
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < scale; i++) {
        char word[WORD] = { 0 };
        u64 r = rng();
        u32 length = 2 + (u32)(r >> 60) % 6, stem = (u32)(r >> 33) % 4096;
        for (u32 j = 0; j < length; j++) word[j] = (char)('a' + (stem >> j) % 23);
        sum = mix(sum, ++find(word, length)->count);
    }
    return sum;
}
