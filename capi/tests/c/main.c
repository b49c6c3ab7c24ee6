/* Checks of the C API: `checks MODE` runs all, `checks misuse WHAT` must be ended by the library. */

#include "checks.h"

static const char *mode = "tiered";

void check_ok(upshift_error_t *error, const char *file, int line) {
  if (error) {
    wasm_message_t message;
    upshift_error_message(error, &message);
    fprintf(stderr, "%s:%d: error: %s\n", file, line, message.data);
    exit(1);
  }
}

void check_fails(upshift_error_t *error, const char *text, const char *file, int line) {
  if (!error) {
    fprintf(stderr, "%s:%d: no error, where one with `%s` was due\n", file, line, text);
    exit(1);
  }
  wasm_message_t message;
  upshift_error_message(error, &message);
  if (message.data[message.size - 1] != 0 || !strstr(message.data, text)) {
    fprintf(stderr, "%s:%d: `%s` is not in the error `%s`\n", file, line, text, message.data);
    exit(1);
  }
  wasm_byte_vec_delete(&message);
  upshift_error_delete(error);
}

bool is_text(const wasm_byte_vec_t *vec, const char *text) {
  return vec->size == strlen(text) && strncmp(vec->data ? vec->data : "", text, vec->size) == 0;
}

void check_trap(wasm_trap_t *trap, const char *text) {
  CHECK(trap != NULL);
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  CHECK(message.size > 0 && message.data[message.size - 1] == 0);
  if (strcmp(message.data, text) != 0) {
    fprintf(stderr, "the trap is `%s`, not `%s`\n", message.data, text);
    exit(1);
  }
  wasm_byte_vec_delete(&message);
  wasm_trap_delete(trap);
}

wasm_config_t *new_config(void) {
  wasm_config_t *config = wasm_config_new();
  bool zeal = strcmp(mode, "zeal") == 0;
  CHECK_OK(upshift_config_set(config, 'T', "mode", zeal ? "tiered" : mode));
  if (zeal) CHECK_OK(upshift_config_set(config, 'T', "switching", "zeal:seed=1"));
  return config;
}

wasm_engine_t *new_engine(void) {
  wasm_engine_t *engine = NULL;
  CHECK_OK(upshift_engine_new(new_config(), &engine));
  CHECK(engine != NULL);
  return engine;
}

wasm_module_t *module_of(wasm_engine_t *engine, const char *wat) {
  wasm_module_t *module = NULL;
  CHECK_OK(upshift_module_new(engine, wat, strlen(wat), &module));
  CHECK(module != NULL);
  return module;
}

wasm_instance_t *instance_of(wasm_engine_t *engine, wasm_store_t *store, const char *wat,
                             wasm_extern_t *import) {
  wasm_module_t *module = module_of(engine, wat);
  wasm_extern_t *imports[] = {import};
  wasm_extern_vec_t vec = {import ? 1 : 0, imports};
  wasm_trap_t *trap = NULL;
  wasm_instance_t *instance = wasm_instance_new(store, module, &vec, &trap);
  CHECK(instance != NULL && trap == NULL);
  wasm_module_delete(module);
  return instance;
}

wasm_func_t *func_of(const wasm_instance_t *instance, const char *name) {
  wasm_func_t *func = wasm_extern_as_func(upshift_instance_export(instance, name));
  CHECK(func != NULL);
  return func;
}

int32_t call_i32(const wasm_func_t *func, size_t nargs, const int32_t *numbers) {
  wasm_val_t args[8], result = WASM_INIT_VAL;
  for (size_t i = 0; i < nargs; ++i) {
    args[i].kind = WASM_I32;
    args[i].of.i32 = numbers[i];
  }
  wasm_val_vec_t arg_vec = {nargs, args}, result_vec = {1, &result};
  CHECK(wasm_func_call(func, &arg_vec, &result_vec) == NULL);
  CHECK(result.kind == WASM_I32);
  return result.of.i32;
}

int main(int argc, char **argv) {
  CHECK(argc >= 2);
  if (strcmp(argv[1], "misuse") == 0) {
    CHECK(argc == 3);
    check_misuse(argv[2]);
    fprintf(stderr, "survived\n");
    return 0;
  }
  mode = argv[1];
  check_types();
  check_calls();
  check_raw();
  check_items();
  check_refs();
  check_modules();
  check_more();
  check_linkers();
  return 0;
}
