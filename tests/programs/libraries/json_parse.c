/* yyjson parses a document of records, and its values are walked. */
#define NAME "json_parse"
#define DEFAULT_SCALE 3
#include "inputs.h"
#include "library.h"
#include "yyjson.h"

enum { RECORDS = 500, CAPACITY = 400 * RECORDS };

static size_t make(char *text) {
    size_t at = (size_t)sprintf(text, "[");
    for (u32 i = 0; i < RECORDS; i++) {
        u64 random = rng();
        at += (size_t)sprintf(text + at, "%s{\"id\": %u, \"price\": %u.%02u, \"name\": \"",
                              i ? ",\n " : "", i, (u32)(random >> 50), (u32)(random & 63));
        at += word(text + at, (u32)(random >> 20) & 0xffff);
        at += (size_t)sprintf(text + at, "\\n\\u00e9\", \"ok\": %s, \"tags\": [",
                              random & 1 ? "true" : "null");
        for (u32 j = 0; j < ((random >> 8) & 7); j++) {
            at += (size_t)sprintf(text + at, j ? ", \"" : "\"");
            at += word(text + at, (u32)rng() & 0xff);
            at += (size_t)sprintf(text + at, "\"");
        }
        at += (size_t)sprintf(text + at, "], \"at\": {\"x\": %d, \"y\": %.6e}}",
                              (int)(random >> 40) - 8000000, (double)(random >> 30) / 3);
    }
    return at + (size_t)sprintf(text + at, "]\n");
}

static u64 walk(u64 sum, yyjson_val *value) {
    size_t index, max;
    yyjson_val *key, *item;
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_ARR:
        yyjson_arr_foreach(value, index, max, item) sum = walk(sum, item);
        return mix(sum, max);
    case YYJSON_TYPE_OBJ:
        yyjson_obj_foreach(value, index, max, key, item)
            sum = walk(mix(sum, yyjson_get_len(key)), item);
        return sum;
    case YYJSON_TYPE_STR:
        return mix(sum, yyjson_get_len(value) ^ (u8)yyjson_get_str(value)[0]);
    case YYJSON_TYPE_NUM:
        return mix(sum, bits(yyjson_get_num(value)));
    default:
        return mix(sum, yyjson_get_tag(value));
    }
}

static u64 library(u32 scale) {
    static char text[CAPACITY];
    size_t size = make(text);
    u64 sum = 0;
    REQUIRE(size < CAPACITY);
    for (u32 round = 0; round < scale; round++) {
        yyjson_doc *document = yyjson_read(text, size, 0);
        REQUIRE(document);
        sum = walk(sum, yyjson_doc_get_root(document));
        yyjson_doc_free(document);
    }
    return sum;
}
