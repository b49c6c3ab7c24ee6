/* Data for libraries to work on, made here so that it is the same everywhere. */

#include <stddef.h>
#include <string.h>
#include "../kernels/kernel.h"

/* A word by its number: the same number gives the same word. Returns its length, at most 14. */
static inline size_t word(char *out, u32 number) {
    static const char *const parts[16] = {"an", "be", "con", "de", "er", "for", "in", "ly",
                                          "men", "no", "or", "pre", "re", "st", "tion", "un"};
    size_t length = 0;
    number += 17;
    for (u32 rest = number; rest > 0; rest >>= 4) {
        const char *part = parts[rest & 15];
        size_t bytes = strlen(part);
        if (length + bytes > 14) break;
        memcpy(out + length, part, bytes);
        length += bytes;
    }
    return length;
}

/* Fills a buffer with what looks like prose: words of which few are frequent, numbers, lines. It
 * compresses to about two fifths. */
static inline void prose(char *out, size_t size) {
    size_t at = 0, column = 0;
    while (at < size) {
        char item[24];
        u64 random = rng();
        /* The product of two uniform numbers prefers small ones. */
        u32 number = (u32)(((random & 0xfff) * ((random >> 12) & 0xfff)) >> 13);
        size_t length;
        if ((random >> 60) == 0) {
            length = 0;
            for (u32 digits = (u32)(random >> 30) & 0xffff; digits > 0; digits /= 10)
                item[length++] = (char)('0' + digits % 10);
        } else {
            length = word(item, number);
        }
        if (((random >> 56) & 15) == 0) item[length++] = ',';
        column += length + 1;
        item[length++] = column > 70 ? '\n' : ' ';
        if (column > 70) column = 0;
        if (length > size - at) length = size - at;
        memcpy(out + at, item, length);
        at += length;
    }
}

/* The checksum of bytes, eight at a time. */
static inline u64 mix_bytes(u64 sum, const void *bytes, size_t size) {
    const char *at = (const char *)bytes;
    for (; size >= 8; size -= 8, at += 8) {
        u64 part;
        memcpy(&part, at, 8);
        sum = mix(sum, part);
    }
    u64 rest = 0;
    memcpy(&rest, at, size);
    return mix(sum, rest + size);
}
