/* The C library's strings: formatting, searching, comparing and joining text on the heap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"

int main(int argc, char **argv) {
    u32 count = argc > 1 ? (u32)atoi(argv[1]) : 500;
    size_t capacity = 64, used = 0;
    char *text = malloc(capacity), word[48];
    u64 sum = 0;
    for (u32 i = 0; i < count; i++) {
        int length = snprintf(word, sizeof word, "%u:%08x/%.3f;", i % 977, (u32)rng(), (double)(i % 89) / 7);
        if (used + (size_t)length + 1 > capacity) {
            text = realloc(text, capacity *= 2);
            if (!text) return 1;
        }
        memcpy(text + used, word, (size_t)length + 1);
        used += (size_t)length;
        if (i % 64 == 63) {
            char *hit = strstr(text + used / 2, "/3.");
            sum = mix(sum, hit ? (u64)(hit - text) : 1);
            sum = mix(sum, strlen(text) + (u64)strtol(strrchr(text, ':') + 1, NULL, 16));
        }
        if (used > 100000) used = 0;
    }
    printf("libc_strings %016llx\n", sum);
    free(text);
    return 0;
}
