/* Included ahead of kernels on the C library where they are compiled for the machine itself: makes
 * up for `long`, which has 32 bits in WebAssembly. */
#include <stdlib.h>

static inline long strtol_32(const char *text, char **end, int base) {
    const long least = -0x80000000l, most = 0x7fffffffl;
    long value = strtol(text, end, base);
    return value < least ? least : value > most ? most : value;
}

#define strtol strtol_32
