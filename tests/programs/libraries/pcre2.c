/* PCRE2's matcher, without its own JIT, counts matches of a few patterns in prose. */
#define NAME "pcre2"
#define DEFAULT_SCALE 1
#define PCRE2_CODE_UNIT_WIDTH 8
#include "inputs.h"
#include "library.h"
#include "pcre2.h"

enum { SIZE = 1 << 14 };

static const char *const patterns[] = {
    "\\b(\\w*)tion\\b",
    "(an|be|con)+re[a-n]*",
    "\\d{2,}(?=\\s)",
    "(\\w+)\\s+\\1",
    "[a-m]+[^a-z\\s]?\\n",
    "(?i)(?:st|pre|un)\\w*?(men|no).{0,12}$",
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

static u64 matches(u64 sum, pcre2_code *code, const char *text) {
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
    REQUIRE(data);
    for (PCRE2_SIZE at = 0; at < SIZE;) {
        int found = pcre2_match(code, (PCRE2_SPTR)text, SIZE, at, 0, data, NULL);
        if (found == PCRE2_ERROR_NOMATCH) break;
        REQUIRE(found > 0);
        sum = mix(sum, ends[0] * 31 + ends[1]);
        at = ends[1] > at ? ends[1] : at + 1;
    }
    pcre2_match_data_free(data);
    return sum;
}

static u64 library(u32 scale) {
    static char text[SIZE];
    pcre2_code *codes[PATTERNS];
    u64 sum = 0;
    prose(text, SIZE);
    for (u32 i = 0; i < PATTERNS; i++) {
        int error;
        PCRE2_SIZE at;
        codes[i] = pcre2_compile((PCRE2_SPTR)patterns[i], PCRE2_ZERO_TERMINATED, PCRE2_MULTILINE,
                                 &error, &at, NULL);
        REQUIRE(codes[i]);
    }
    for (u32 round = 0; round < scale; round++)
        for (u32 i = 0; i < PATTERNS; i++) sum = matches(sum, codes[i], text);
    for (u32 i = 0; i < PATTERNS; i++) pcre2_code_free(codes[i]);
    return sum;
}
