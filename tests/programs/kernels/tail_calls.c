/* Proper tail calls: three states that call each other for ever in constant stack. */
#define KERNEL "tail_calls"
#define DEFAULT_SCALE 100000
#include "kernel.h"

#define TAIL __attribute__((musttail)) return

static u64 odd(u32 left, u64 sum), third(u32 left, u64 sum);

NOINLINE static u64 even(u32 left, u64 sum) {
    if (!left) return sum;
    if (sum & 1) TAIL odd(left - 1, sum * 3 + 1);
    TAIL third(left - 1, sum ^ left);
}

NOINLINE static u64 odd(u32 left, u64 sum) {
    if (!left) return sum;
    if (sum & 2) TAIL third(left - 1, sum + left);
    TAIL even(left - 1, sum >> 1 | sum << 63);
}

NOINLINE static u64 third(u32 left, u64 sum) {
    if (!left) return sum;
    TAIL even(left - 1, sum * 0x9E3779B97F4A7C15ull);
}

static u64 kernel(u32 scale) { return even(scale, 1); }
