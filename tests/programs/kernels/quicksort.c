/* Branches that depend on data: quicksort of random 32-bit keys, insertion sort at the leaves. */
#define KERNEL "quicksort"
#define DEFAULT_SCALE 2
#include "kernel.h"

enum { LENGTH = 20000 };
static i32 keys[LENGTH];

NOINLINE static void sort(i32 lo, i32 hi) {
    while (hi - lo > 12) {
        i32 pivot = keys[lo + (hi - lo) / 2], i = lo, j = hi;
        while (i <= j) {
            while (keys[i] < pivot) i++;
            while (keys[j] > pivot) j--;
            if (i <= j) {
                i32 t = keys[i];
                keys[i++] = keys[j];
                keys[j--] = t;
            }
        }
        if (j - lo < hi - i) {
            sort(lo, j);
            lo = i;
        } else {
            sort(i, hi);
            hi = j;
        }
    }
    for (i32 i = lo + 1; i <= hi; i++) {
        i32 key = keys[i], j = i - 1;
        for (; j >= lo && keys[j] > key; j--) keys[j + 1] = keys[j];
        keys[j + 1] = key;
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 round = 0; round < scale; round++) {
        for (u32 i = 0; i < LENGTH; i++) keys[i] = (i32)(rng() >> 32);
        sort(0, LENGTH - 1);
        for (u32 i = 1; i < LENGTH; i++)
            if (keys[i - 1] > keys[i]) __builtin_trap();
        sum = mix(sum, (u32)keys[LENGTH / 3]);
    }
    return sum;
}
