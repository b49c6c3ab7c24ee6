/* Linkers and WASI. */

#include "checks.h"

static wasm_trap_t *twice(void *env, const upshift_caller_t *caller, const wasm_val_t *args,
                          size_t nargs, wasm_val_t *results, size_t nresults) {
  (void)caller;
  CHECK(nargs == 1 && nresults == 1);
  ++*(int *)env;
  results->kind = WASM_I32;
  results->of.i32 = 2 * args->of.i32;
  return NULL;
}

static const char *importing =
    "(module (import \"host\" \"twice\" (func $twice (param i32) (result i32)))"
    "  (func (export \"four\") (param i32) (result i32) (call $twice (call $twice (local.get 0)))))";

static int finalized = 0;
static void finalize(void *data) {
  (void)data;
  ++finalized;
}

static void check_functions(wasm_engine_t *engine) {
  int calls = 0;
  upshift_linker_t *linker = upshift_linker_new(engine);
  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  CHECK_OK(upshift_linker_define_func(linker, "host", "twice", type, twice, &calls, finalize));
  CHECK_FAILS(upshift_linker_define_func(linker, "host", "twice", type, twice, &calls, finalize),
              "defined already");
  CHECK(finalized == 1);
  wasm_functype_delete(type);
  wasm_module_t *module = module_of(engine, importing);
  /* One definition for several stores. */
  for (int i = 1; i <= 3; ++i) {
    wasm_store_t *store = wasm_store_new(engine);
    wasm_instance_t *instance = NULL;
    wasm_trap_t *trap = NULL;
    CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, &trap));
    CHECK(trap == NULL);
    wasm_func_t *four = func_of(instance, "four");
    CHECK(call_i32(four, 1, &i) == 4 * i && calls == 2 * i);
    wasm_func_delete(four);
    wasm_instance_delete(instance);
    wasm_extern_t *found = upshift_linker_get(linker, store, "host", "twice");
    CHECK(wasm_extern_as_func(found) != NULL);
    wasm_extern_delete(found);
    CHECK(upshift_linker_get(linker, store, "host", "thrice") == NULL);
    wasm_store_delete(store);
  }
  upshift_linker_t *copy = upshift_linker_copy(linker);
  upshift_linker_delete(linker);
  CHECK(finalized == 1);
  upshift_linker_delete(copy);
  CHECK(finalized == 2);
  wasm_module_delete(module);
}

static void check_instances(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine), *other = wasm_store_new(engine);
  upshift_linker_t *linker = upshift_linker_new(engine);
  wasm_module_t *module = module_of(engine, importing);
  wasm_instance_t *instance = NULL;
  wasm_trap_t *trap = NULL;
  CHECK_FAILS(upshift_linker_instantiate(linker, store, module, &instance, &trap), "host::twice");
  CHECK(instance == NULL && trap == NULL);

  wasm_instance_t *provider = instance_of(
      engine, store,
      "(module (func (export \"twice\") (param i32) (result i32)"
      "  (i32.mul (local.get 0) (i32.const 2))))",
      NULL);
  CHECK_OK(upshift_linker_define_instance(linker, "host", provider));
  CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, NULL));
  wasm_func_t *four = func_of(instance, "four");
  int32_t number = 5;
  CHECK(call_i32(four, 1, &number) == 20);
  wasm_func_delete(four);
  wasm_instance_delete(instance);
  CHECK_FAILS(upshift_linker_instantiate(linker, other, module, &instance, NULL), "another store");

  /* Shadowing, by an item and by the exports of a module that the linker instantiates. */
  wasm_extern_t *func = upshift_instance_export(provider, "twice");
  CHECK_FAILS(upshift_linker_define(linker, "host", "twice", func), "defined already");
  upshift_linker_allow_shadowing(linker, true);
  CHECK_OK(upshift_linker_define(linker, "host", "twice", func));
  wasm_extern_delete(func);
  CHECK_OK(upshift_linker_module(linker, store, "user", module, NULL));
  func = upshift_linker_get(linker, store, "user", "four");
  CHECK(func != NULL && call_i32(wasm_extern_as_func(func), 1, &number) == 20);
  wasm_extern_delete(func);
  wasm_instance_delete(provider);
  upshift_linker_delete(linker);

  linker = upshift_linker_new(engine);
  CHECK_OK(upshift_linker_define_unknown_imports_as_traps(linker, module));
  CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, NULL));
  four = func_of(instance, "four");
  wasm_val_t arg = WASM_I32_VAL(1), result;
  CHECK_FAILS(upshift_func_call(four, &arg, 1, &result, 1, NULL), "twice");
  wasm_func_delete(four);
  wasm_instance_delete(instance);
  upshift_linker_delete(linker);
  wasm_module_delete(module);
  wasm_store_delete(other);
  wasm_store_delete(store);
}

struct output {
  char text[64];
  size_t size;
};

static ptrdiff_t write_output(void *data, const uint8_t *bytes, size_t size) {
  struct output *output = data;
  if (output->size + size > sizeof(output->text)) return -1;
  memcpy(output->text + output->size, bytes, size);
  output->size += size;
  return (ptrdiff_t)size;
}

/* Writes its standard input, arguments and environment to its standard output, and exits with 7. */
static const char *program =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"fd_read\""
    "    (func $read (param i32 i32 i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"fd_write\""
    "    (func $write (param i32 i32 i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"args_get\" (func $args (param i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"environ_get\" (func $env (param i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func $put (param $at i32) (param $size i32)"
    "    (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size))"
    "    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"
    "  (func (export \"_start\")"
    "    (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 5))"
    "    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"
    "    (call $put (i32.const 1000) (i32.load (i32.const 8)))"
    "    (drop (call $args (i32.const 100) (i32.const 2000)))"
    "    (call $put (i32.const 2000) (i32.const 8))"
    "    (drop (call $env (i32.const 100) (i32.const 3000)))"
    "    (call $put (i32.const 3000) (i32.const 4))"
    "    (call $exit (i32.const 7))))";

static void check_wasi(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  struct output output = {{0}, 0};
  finalized = 0;
  upshift_wasi_config_t *wasi = upshift_wasi_config_new();
  const char *args[] = {"prog", "arg"};
  upshift_wasi_config_args(wasi, 2, args);
  upshift_wasi_config_env(wasi, "K", "v");
  wasm_byte_vec_t input;
  wasm_name_new_from_string(&input, "input");
  upshift_wasi_config_stdin_bytes(wasi, &input);
  CHECK(input.data == NULL);
  CHECK_OK(upshift_wasi_config_write(wasi, 1, write_output, &output, finalize));
  CHECK_FAILS(upshift_wasi_config_write(wasi, 3, write_output, &output, NULL), "not 3");
  CHECK_FAILS(upshift_wasi_config_preopen_dir(wasi, "/nowhere/at/all", "/", false), "/nowhere");
  CHECK_FAILS(upshift_wasi_config_file(wasi, 0, "/nowhere/at/all"), "/nowhere");
  CHECK_OK(upshift_wasi_config_preopen_dir(wasi, ".", "/", false));
  CHECK_OK(upshift_store_set_wasi(store, wasi));

  upshift_linker_t *linker = upshift_linker_new(engine);
  CHECK_OK(upshift_linker_define_wasi(linker));
  wasm_module_t *module = module_of(engine, program);
  wasm_instance_t *instance = NULL;
  CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, NULL));
  wasm_func_t *start = func_of(instance, "_start");
  wasm_trap_t *trap = wasm_func_call(start, NULL, NULL);
  int status = 0;
  CHECK(trap != NULL && upshift_trap_exit_status(trap, &status) && status == 7);
  upshift_trap_code_t code;
  CHECK(!upshift_trap_code(trap, &code));
  wasm_trap_delete(trap);
  CHECK(output.size == 17 && memcmp(output.text, "inputprog\0argK=v", 17) == 0);
  wasm_func_delete(start);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
  CHECK(finalized == 1);

  /* A store without a configuration shows nothing. */
  store = wasm_store_new(engine);
  CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, NULL));
  start = func_of(instance, "_start");
  trap = wasm_func_call(start, NULL, NULL);
  CHECK(upshift_trap_exit_status(trap, &status));
  wasm_trap_delete(trap);
  wasm_func_delete(start);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
  wasm_module_delete(module);
  upshift_linker_delete(linker);
}

void check_linkers(void) {
  wasm_engine_t *engine = new_engine();
  check_functions(engine);
  check_instances(engine);
  check_wasi(engine);
  wasm_engine_delete(engine);
}
