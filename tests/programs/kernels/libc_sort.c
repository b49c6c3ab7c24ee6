/* The C library's qsort: a comparison through a function pointer, elements moved by memcpy. */
#include <stdio.h>
#include <stdlib.h>
#include "kernel.h"

struct record { u32 key; char text[12]; };

static int by_key(const void *a, const void *b) {
    u32 x = ((const struct record *)a)->key, y = ((const struct record *)b)->key;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    u32 count = argc > 1 ? (u32)atoi(argv[1]) : 2000;
    struct record *records = calloc(count, sizeof *records);
    if (!records) return 1;
    for (u32 i = 0; i < count; i++) {
        records[i].key = (u32)(rng() >> 32);
        snprintf(records[i].text, sizeof records[i].text, "r%u", i);
    }
    qsort(records, count, sizeof *records, by_key);
    u64 sum = 0;
    for (u32 i = 0; i < count; i++) sum = mix(sum, records[i].key ^ (u8)records[i].text[1]);
    printf("libc_sort %016llx\n", sum);
    free(records);
    return 0;
}
