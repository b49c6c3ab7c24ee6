/* A library with all that a C interface passes: numbers, text, slices, structs, results that are
   written to addresses, memory that changes hands, callbacks, and functions of the host. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name), visibility("default")))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

struct point {
    double x, y;
};

struct shape {
    char tag[6];
    uint8_t corners;
    bool closed;
    struct point center;
    struct shape *next;
};

enum direction { NORTH, EAST, SOUTH, WEST };

typedef uint32_t (*visitor)(uint32_t index, double value);

IMPORT("host", "log") void host_log(int32_t level, const char *text, size_t length);
IMPORT("host", "measure") int32_t host_measure(const struct point *at, struct point *size,
                                               uint32_t *unit);
IMPORT("host", "sort") void host_sort(int32_t *values, uint32_t count);

extern unsigned char __heap_base;
static uintptr_t heap_end;
static int32_t blocks;

/* Memory is never used again, but counted. */
EXPORT(malloc) void *malloc(size_t size) {
    uintptr_t block = heap_end ? heap_end : ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    uintptr_t end = (block + size + 15) & ~(uintptr_t)15;
    size_t room = __builtin_wasm_memory_size(0) << 16;
    if (end > room && __builtin_wasm_memory_grow(0, (end - room + 0xffff) >> 16) == (size_t)-1) {
        return NULL;
    }
    heap_end = end;
    blocks++;
    return (void *)block;
}

EXPORT(free) void free(void *block) {
    blocks -= block != NULL;
}

EXPORT(blocks_in_use) int32_t blocks_in_use(void) {
    return blocks;
}

static size_t length_of(const char *text) {
    size_t length = 0;
    while (text[length]) {
        length++;
    }
    return length;
}

EXPORT(add) int32_t add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

EXPORT(narrow) int8_t narrow(int8_t a, uint16_t b, bool negate) {
    int8_t sum = (int8_t)(a + b);
    return negate ? (int8_t)-sum : sum;
}

EXPORT(wide) uint64_t wide(uint64_t a, float b, double c) {
    return a + (uint64_t)(b + c);
}

EXPORT(turn) enum direction turn(enum direction from) {
    return (enum direction)((from + 1) % 4);
}

EXPORT(sum) uint64_t sum(const uint8_t *bytes, size_t length) {
    uint64_t total = 0;
    for (size_t i = 0; i < length; i++) {
        total += bytes[i];
    }
    return total;
}

EXPORT(scale) void scale(struct point *points, size_t count, double by) {
    for (size_t i = 0; i < count; i++) {
        points[i].x *= by;
        points[i].y *= by;
    }
}

EXPORT(text_length) size_t text_length(const char *text) {
    return length_of(text);
}

EXPORT(middle) void middle(const struct point *a, const struct point *b, struct point *result) {
    result->x = (a->x + b->x) / 2;
    result->y = (a->y + b->y) / 2;
}

/* Returns what does not fit, and writes what does to *written. */
EXPORT(repeat) uint32_t repeat(uint8_t byte, uint8_t *to, uint32_t room, uint32_t count,
                               uint32_t *written) {
    *written = count < room ? count : room;
    for (uint32_t i = 0; i < *written; i++) {
        to[i] = byte;
    }
    return count - *written;
}

EXPORT(name_of) const char *name_of(enum direction direction) {
    static const char *const names[] = {"north", "east", "south", "west"};
    return direction <= WEST ? names[direction] : NULL;
}

EXPORT(reversed) char *reversed(const char *text) {
    size_t length = length_of(text);
    char *copy = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        copy[i] = text[length - 1 - i];
    }
    copy[length] = 0;
    return copy;
}

EXPORT(new_shape) struct shape *new_shape(const char *tag, uint8_t corners, struct shape *next) {
    struct shape *shape = malloc(sizeof *shape);
    *shape = (struct shape){{0}, corners, true, {corners, 0}, next};
    for (size_t i = 0; i < sizeof shape->tag - 1 && tag[i]; i++) {
        shape->tag[i] = tag[i];
    }
    return shape;
}

EXPORT(corners) uint32_t corners(const struct shape *shape) {
    uint32_t total = 0;
    for (; shape; shape = shape->next) {
        total += shape->corners;
    }
    return total;
}

EXPORT(visit) uint32_t visit(const double *values, uint32_t count, visitor visit) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += visit(i, values[i]);
    }
    return total;
}

EXPORT(ask) double ask(const char *text) {
    host_log(3, text, length_of(text));
    struct point at = {1, 2}, size = {0, 0};
    uint32_t unit = 0;
    int32_t sign = host_measure(&at, &size, &unit);
    int32_t values[] = {3, 1, 2};
    host_sort(values, 3);
    return sign * size.x * size.y * unit + values[0] * 100 + values[1] * 10 + values[2];
}
