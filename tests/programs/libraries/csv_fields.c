/* A parser of comma-separated values, with quoted fields, byte by byte as such parsers are written
 * in C; numbers are parsed and added. */
#define NAME "csv_fields"
#define DEFAULT_SCALE 3
#include "inputs.h"
#include "library.h"

enum { ROWS = 2000, CAPACITY = 160 * ROWS };

struct parser {
    const char *at, *end;
    char *field;
    size_t length;
};

enum next { FIELD, ROW, END };

/* Reads one field into the parser's buffer, without its quotes. */
NOINLINE static enum next next_field(struct parser *p) {
    p->length = 0;
    if (p->at == p->end) return END;
    int quoted = *p->at == '"';
    if (quoted) p->at++;
    while (p->at < p->end) {
        char c = *p->at++;
        if (quoted && c == '"') {
            if (p->at < p->end && *p->at == '"') {
                p->field[p->length++] = '"';
                p->at++;
            } else {
                quoted = 0;
            }
        } else if (!quoted && c == ',') {
            return FIELD;
        } else if (!quoted && c == '\n') {
            return ROW;
        } else {
            p->field[p->length++] = c;
        }
    }
    return ROW;
}

/* A decimal number of any length; 0 where the field is none. */
NOINLINE static i64 number(const char *field, size_t length) {
    i64 value = 0;
    size_t i = length > 0 && field[0] == '-';
    for (; i < length; i++) {
        if (field[i] < '0' || field[i] > '9') return 0;
        value = value * 10 + (field[i] - '0');
    }
    return length > 0 && field[0] == '-' ? -value : value;
}

static size_t make(char *text) {
    size_t at = 0;
    for (u32 row = 0; row < ROWS; row++) {
        u64 random = rng();
        at += (size_t)sprintf(text + at, "%u,%lld,", row, (i64)(random >> 20) - (1ll << 43));
        at += word(text + at, (u32)random & 0x3fff);
        at += (size_t)sprintf(text + at, ",\"");
        for (u32 i = 0; i < (random & 7); i++) {
            at += word(text + at, (u32)(rng() & 0xfff));
            memcpy(text + at, i == 3 ? "\"\"" : ", ", 2);
            at += 2;
        }
        at += (size_t)sprintf(text + at, "\",%u\n", (u32)(random >> 50));
    }
    return at;
}

static u64 library(u32 scale) {
    static char text[CAPACITY], field[256];
    size_t size = make(text);
    u64 sum = 0;
    REQUIRE(size < CAPACITY);
    for (u32 round = 0; round < scale; round++) {
        struct parser p = {text, text + size, field, 0};
        u32 rows = 0, fields = 0;
        i64 total = 0;
        for (enum next next; (next = next_field(&p)) != END;) {
            total += number(p.field, p.length) + (i64)p.length;
            fields++;
            rows += next == ROW;
        }
        REQUIRE(rows == ROWS && fields == 5 * ROWS);
        sum = mix(sum, (u64)total + round);
    }
    return sum;
}
