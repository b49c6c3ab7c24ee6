/* The C library's allocator: blocks of mixed sizes with overlapping lifetimes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"

enum { LIVE = 1024 };

int main(int argc, char **argv) {
    u32 count = argc > 1 ? (u32)atoi(argv[1]) : 5000;
    static u8 *blocks[LIVE];
    static u32 sizes[LIVE];
    u64 sum = 0;
    for (u32 i = 0; i < count; i++) {
        u64 r = rng();
        u32 at = (u32)(r >> 40) % LIVE, size = 8 + ((u32)r & (0x7FF >> ((r >> 32) & 7)));
        if (blocks[at]) sum = mix(sum, blocks[at][sizes[at] - 1]);
        free(blocks[at]);
        blocks[at] = malloc(size);
        if (!blocks[at]) return 1;
        memset(blocks[at], (int)(i & 255), size);
        sizes[at] = size;
    }
    printf("libc_malloc %016llx\n", sum);
    return 0;
}
