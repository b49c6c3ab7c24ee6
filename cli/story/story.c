/* The program that `cargo run` shows: five chapters, each hot in a different way.
 *
 *   1. a map       one small function called very often (`escape_time`)
 *   2. a census    one long loop in the function that is called once (`census`): only OSR helps
 *   3. a machine   indirect calls through a table, first to one target, then to many
 *   4. a tower     recursion: nothing but calls
 *   5. a ledger    many functions, each called a few times: not worth optimizing
 *
 * No C library: it needs two functions of WASI preview 1, and its output never changes. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
#define NOINLINE __attribute__((noinline))

struct ciovec { const char *bytes; u32 len; };
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")))
u32 fd_write(u32 fd, const struct ciovec *vecs, u32 count, u32 *written);
__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit")))
_Noreturn void proc_exit(u32 code);

/* ---- printing ---- */

static char line[160];
static u32 used;

static void put(char c) { if (used < sizeof line) line[used++] = c; }
static void text(const char *s) { while (*s) put(*s++); }

static void number(u64 n) {
    char digits[20];
    u32 count = 0;
    do digits[count++] = (char)('0' + n % 10); while (n /= 10);
    while (count) {
        put(digits[--count]);
        if (count && count % 3 == 0) put(',');
    }
}

static void end_line(void) {
    struct ciovec vec = { line, used };
    u32 written;
    put('\n');
    vec.len = used;
    if (fd_write(1, &vec, 1, &written)) proc_exit(1);
    used = 0;
}

/* ---- 1. a map: a small function, called 626,688 times ---- */

NOINLINE static u32 escape_time(double cx, double cy) {
    double x = 0, y = 0;
    for (u32 i = 0; i < 96; i++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4) return i;
        y = 2 * x * y + cy;
        x = xx - yy + cx;
    }
    return 96;
}

enum { COLUMNS = 64, ROWS = 17, SAMPLES = 24 };

NOINLINE static char shade(u32 column, u32 row) {
    u32 total = 0;
    for (u32 sy = 0; sy < SAMPLES; sy++)
        for (u32 sx = 0; sx < SAMPLES; sx++)
            total += escape_time(-2.2 + (column * SAMPLES + sx) * (3.2 / (COLUMNS * SAMPLES)),
                                 -1.2 + (row * SAMPLES + sy) * (2.4 / (ROWS * SAMPLES)));
    u32 level = total / (SAMPLES * SAMPLES);
    return " .:-=+*%#@"[level < 3 ? 0 : level < 5 ? 1 : level < 7 ? 2 : level < 10 ? 3 : level < 14 ? 4
                        : level < 20 ? 5 : level < 30 ? 6 : level < 50 ? 7 : level < 90 ? 8 : 9];
}

NOINLINE static void chapter_map(void) {
    text("1. A map, drawn with one small function:");
    end_line();
    for (u32 row = 0; row < ROWS; row++) {
        text("   ");
        for (u32 column = 0; column < COLUMNS; column++) put(shade(column, row));
        end_line();
    }
}

/* ---- 2. a census: one loop, entered once, that never calls anything ---- */

NOINLINE static u64 census(u32 people) {
    u64 random = 88172645463325252ull, inside = 0, tall = 0, parity = 0;
    for (u32 i = 0; i < people; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        u64 x = random & 0xFFFF, y = random >> 16 & 0xFFFF;
        inside += x * x + y * y < 0x100000000ull;
        tall += (random >> 40) % 1000 > 990;
        parity ^= x + (y << 1);
    }
    return inside * 400000 / people * 1000 + (tall + parity) % 1000;
}

NOINLINE static void chapter_census(void) {
    u64 result = census(70000000);
    u64 pi = result / 1000;
    text("2. A census, counted in one long loop: pi is about ");
    number(pi / 100000);
    put('.');
    for (u64 unit = 10000; unit; unit /= 10) put((char)('0' + pi / unit % 10));
    text(" (check digits ");
    number(result % 1000);
    text(").");
    end_line();
}

/* ---- 3. a machine: one indirect call per step ---- */

typedef u32 (*step)(u32);
NOINLINE static u32 step_add(u32 x) { return x + 0x9E3779B9u; }
NOINLINE static u32 step_turn(u32 x) { return x << 5 | x >> 27; }
NOINLINE static u32 step_fold(u32 x) { return x ^ x >> 15; }
NOINLINE static u32 step_scale(u32 x) { return x * 2246822519u; }
static step const steps[4] = { step_add, step_turn, step_fold, step_scale };

NOINLINE static u32 machine(u32 x, u32 count, u32 mask) {
    for (u32 i = 0; i < count; i++) x = steps[(x ^ i) & mask](x);
    return x;
}

NOINLINE static void chapter_machine(void) {
    u32 steady = 1, lively = 1;
    for (u32 round = 0; round < 40; round++) steady = machine(steady, 500000, 0);
    for (u32 round = 0; round < 40; round++) lively = machine(lively, 500000, 3);
    text("3. A machine of indirect calls: ");
    number(steady);
    text(" when it always does the same, ");
    number(lively);
    text(" when it chooses.");
    end_line();
}

/* ---- 4. a tower: recursion ---- */

static u32 moved;

NOINLINE static u32 hanoi(u32 disks, u32 from, u32 to) {
    if (!disks) return from;
    u32 spare = 3 - from - to;
    u32 seen = hanoi(disks - 1, from, spare);
    moved++;
    return seen ^ hanoi(disks - 1, spare, to);
}

NOINLINE static void chapter_tower(void) {
    u32 mark = hanoi(24, 0, 2);
    text("4. A tower of 24 disks, moved by recursion in ");
    number(moved);
    text(mark ? " moves." : " moves!");
    end_line();
}

/* ---- 5. a ledger: many functions, a few calls each ---- */

#define ENTRY(n) NOINLINE static u32 entry_##n(u32 x) { return (x + n * 7919u) ^ (x >> (n % 11 + 3)); }
#define ENTRIES(e) e(1) e(2) e(3) e(4) e(5) e(6) e(7) e(8) e(9) e(10) e(11) e(12) e(13) e(14) e(15) \
    e(16) e(17) e(18) e(19) e(20) e(21) e(22) e(23) e(24) e(25) e(26) e(27) e(28) e(29) e(30)
ENTRIES(ENTRY)

NOINLINE static void chapter_ledger(void) {
    u32 balance = 1;
#define POST(n) balance = entry_##n(balance);
    for (u32 day = 0; day < 12; day++) { ENTRIES(POST) }
    text("5. A ledger of 30 small functions, 12 calls each: balance ");
    number(balance);
    text(".");
    end_line();
}

void _start(void) {
    chapter_map();
    chapter_census();
    chapter_machine();
    chapter_tower();
    chapter_ledger();
}
