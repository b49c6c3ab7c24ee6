/* What the parts of this program have in common. */

#ifndef CHECKS_H
#define CHECKS_H

#include <stdio.h>
#include <stdlib.h>

#include "upshift.h"

/* Ends the program with the place, if the condition does not hold. */
#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                      \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

/* The same, of a call that returns an error, which it prints. */
#define CHECK_OK(call) check_ok(call, __FILE__, __LINE__)

/* The same, of a call that must fail with a message that contains the text. */
#define CHECK_FAILS(call, text) check_fails(call, text, __FILE__, __LINE__)

void check_ok(upshift_error_t *error, const char *file, int line);
void check_fails(upshift_error_t *error, const char *text, const char *file, int line);

/* Whether the vector is this text; with the NUL, if it is a message. */
bool is_text(const wasm_byte_vec_t *vec, const char *text);

/* Checks the message of a trap, and deletes it. */
void check_trap(wasm_trap_t *trap, const char *message);

/* The configuration and the engine of the mode that the program was started with. */
wasm_config_t *new_config(void);
wasm_engine_t *new_engine(void);

/* A module in the text format. */
wasm_module_t *module_of(wasm_engine_t *, const char *wat);

/* An instance of a module in the text format, with one import or none. */
wasm_instance_t *instance_of(wasm_engine_t *, wasm_store_t *, const char *wat, wasm_extern_t *import);

/* The exported function with the name; deleted as a function. */
wasm_func_t *func_of(const wasm_instance_t *, const char *name);

/* Calls a function of numbers, and returns its result. */
int32_t call_i32(const wasm_func_t *, size_t nargs, const int32_t *args);

void check_types(void);
void check_calls(void);
void check_raw(void);
void check_items(void);
void check_refs(void);
void check_modules(void);
void check_more(void);
void check_linkers(void);
void check_misuse(const char *what);

#endif
