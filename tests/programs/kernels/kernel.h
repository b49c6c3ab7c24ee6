/* What every kernel needs and nothing more: one numeric argument in, one checksum out, through
 * WASI preview 1 directly. No C library, so that a profile of a kernel shows the kernel.
 *
 * Where it is compiled for the machine itself, ../native/wasi.c stands in for WASI.
 *
 * A kernel defines KERNEL (its name), DEFAULT_SCALE (a few milliseconds of work) and
 * `static u64 kernel(u32 scale)`, then includes this file last. */

#ifndef KERNEL_TYPES
#define KERNEL_TYPES
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef int i32;
typedef long long i64;
#define NOINLINE __attribute__((noinline))

/* xorshift64*: the same sequence everywhere. */
static u64 rng_state = 0x9E3779B97F4A7C15ull;
static inline u64 rng(void) {
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545F4914F6CDD1Dull;
}

/* Order-sensitive mixing of one more value into a checksum. */
static inline u64 mix(u64 sum, u64 value) {
    sum ^= value + 0x9E3779B97F4A7C15ull + (sum << 6) + (sum >> 2);
    return sum * 0xff51afd7ed558ccdull;
}

static inline u64 bits(double x) {
    union { double f; u64 i; } u = { x };
    return u.i;
}
#endif

#ifdef KERNEL
#ifdef __wasm__
#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
#else
#define WASI(name)
#endif
struct ciovec { const char *bytes; u32 len; };
WASI(args_sizes_get) i32 wasi_args_sizes_get(u32 *count, u32 *bytes);
WASI(args_get) i32 wasi_args_get(char **args, char *bytes);
WASI(fd_write) i32 wasi_fd_write(i32 fd, const struct ciovec *vecs, u32 count, u32 *written);
WASI(proc_exit) _Noreturn void wasi_proc_exit(i32 code);

static u64 kernel(u32 scale);

static u32 argument(void) {
    static char *args[8];
    static char bytes[512];
    u32 count = 0, size = 0, value = 0;
    wasi_args_sizes_get(&count, &size);
    if (count < 2 || count > 8 || size > sizeof bytes) return DEFAULT_SCALE;
    wasi_args_get(args, bytes);
    for (char *c = args[1]; *c >= '0' && *c <= '9'; c++) value = value * 10 + (u32)(*c - '0');
    return value;
}

void _start(void) {
    static char line[64];
    u32 at = 0, written;
    u64 sum = kernel(argument());
    for (const char *c = KERNEL " "; *c; c++) line[at++] = *c;
    for (i32 shift = 60; shift >= 0; shift -= 4) line[at++] = "0123456789abcdef"[(sum >> shift) & 15];
    line[at++] = '\n';
    struct ciovec vec = { line, at };
    if (wasi_fd_write(1, &vec, 1, &written) != 0) wasi_proc_exit(1);
}
#endif
