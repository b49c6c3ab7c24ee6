/* Mistakes of programs that the library ends them for. */

#include "checks.h"

static ptrdiff_t use_store(void *data, const uint8_t *bytes, size_t size) {
  (void)bytes;
  upshift_store_set_data(data, NULL, NULL);
  return (ptrdiff_t)size;
}

/* Uses a store from a function that its WASI streams call while they have the store. */
static void use_in_stream(wasm_engine_t *engine, wasm_store_t *store) {
  upshift_wasi_config_t *wasi = upshift_wasi_config_new();
  CHECK_OK(upshift_wasi_config_write(wasi, 1, use_store, store, NULL));
  CHECK_OK(upshift_store_set_wasi(store, wasi));
  upshift_linker_t *linker = upshift_linker_new(engine);
  CHECK_OK(upshift_linker_define_wasi(linker));
  wasm_module_t *module = module_of(
      engine,
      "(module (import \"wasi_snapshot_preview1\" \"fd_write\""
      "    (func $write (param i32 i32 i32 i32) (result i32)))"
      "  (memory (export \"memory\") 1)"
      "  (func $start (i32.store (i32.const 4) (i32.const 1))"
      "    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"
      "  (start $start))");
  wasm_instance_t *instance = NULL;
  CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, NULL));
}

void check_misuse(const char *what) {
  wasm_engine_t *engine = new_engine();
  wasm_store_t *store = wasm_store_new(engine);
  if (strcmp(what, "null") == 0) {
    wasm_func_call(NULL, NULL, NULL);
  } else if (strcmp(what, "kind") == 0) {
    wasm_module_t *module = module_of(engine, "(module)");
    wasm_func_call((wasm_func_t *)module, NULL, NULL);
  } else if (strcmp(what, "stream") == 0) {
    use_in_stream(engine, store);
  } else {
    CHECK(!"a known mistake");
  }
}
