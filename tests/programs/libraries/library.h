/* What each program here has besides the library: one numeric argument in, one checksum out.
 *
 * A program defines NAME and DEFAULT_SCALE (a few milliseconds of work) and
 * `static u64 library(u32 scale)`, then includes this file last. Before that it may include
 * inputs.h, which makes data to work on. */

#include <stdio.h>
#include <stdlib.h>
#include "../kernels/kernel.h"

static u64 library(u32 scale);

/* Ends the program where a library reports an error: the checksum would mean nothing. */
#define REQUIRE(condition)                                                                        \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, NAME ", line %d: not so: %s\n", __LINE__, #condition);                \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

int main(int argc, char **argv) {
    u32 scale = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : DEFAULT_SCALE;
    printf(NAME " %016llx\n", library(scale));
    return 0;
}
