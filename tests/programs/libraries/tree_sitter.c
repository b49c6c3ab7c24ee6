/* Tree-sitter parses a C program with its tables for C. */
#define NAME "tree_sitter"
#define DEFAULT_SCALE 1
#include "inputs.h"
#include "library.h"
#include "tree_sitter/api.h"

enum { FUNCTIONS = 20, CAPACITY = 500 * FUNCTIONS };

const TSLanguage *tree_sitter_c(void);

static size_t make(char *text) {
    size_t at = (size_t)sprintf(text, "#include <stdio.h>\nstruct s { int a, *b; };\n");
    for (u32 i = 0; i < FUNCTIONS; i++) {
        char name[16] = {0};
        u32 random = (u32)rng();
        name[word(name, random & 0xfff)] = 0;
        at += (size_t)sprintf(text + at,
                              "static unsigned %s_%u(struct s *in, int n) {\n"
                              "    for (int i = 0; i < n * %u; i++) {\n"
                              "        if (in->b[i] > %u && (i & 3) != n) in->a += i %% 7;\n"
                              "        else printf(\"%%d\\n\", (int)sizeof(struct s) << %u);\n"
                              "    }\n    return (unsigned)in->a ? %u.5e3 : 0x%xu;\n}\n\n",
                              name, i, random >> 20, random >> 10 & 255, random & 7, random & 99,
                              random);
    }
    return at;
}

static u64 library(u32 scale) {
    static char text[CAPACITY];
    size_t size = make(text);
    TSParser *parser = ts_parser_new();
    u64 sum = 0;
    REQUIRE(size < CAPACITY && ts_parser_set_language(parser, tree_sitter_c()));
    for (u32 round = 0; round < scale; round++) {
        TSTree *tree = ts_parser_parse_string(parser, NULL, text, (u32)size);
        REQUIRE(tree);
        TSNode root = ts_tree_root_node(tree);
        REQUIRE(!ts_node_has_error(root));
        sum = mix(sum, ts_node_descendant_count(root));
        ts_tree_delete(tree);
    }
    ts_parser_delete(parser);
    return sum;
}
