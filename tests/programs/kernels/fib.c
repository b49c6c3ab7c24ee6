/* Calls: doubly recursive Fibonacci, almost nothing but call, compare and return. */
#define KERNEL "fib"
#define DEFAULT_SCALE 22
#include "kernel.h"

NOINLINE static u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static u64 kernel(u32 scale) { return mix(scale, fib(scale)); }
