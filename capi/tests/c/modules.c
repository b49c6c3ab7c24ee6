/* Modules: binary form, serialized form, several threads. */

#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <unistd.h>

#include "checks.h"

/* A module that was compiled before, as a program would read it from a file. */
static void check_precompiled(wasm_engine_t *engine, wasm_store_t *store) {
  const char *wat = "(module (func (export \"f\") (result i32) (i32.const 43)))";
  wasm_byte_vec_t compiled, again;
  CHECK_OK(upshift_engine_precompile_module(engine, wat, strlen(wat), &compiled));
  wasm_module_t *module = NULL;
  CHECK_OK(upshift_module_deserialize(engine, compiled.data, compiled.size, &module));
  wasm_instance_t *instance = wasm_instance_new(store, module, NULL, NULL);
  wasm_func_t *f = func_of(instance, "f");
  CHECK(call_i32(f, 0, NULL) == 43);
  CHECK_OK(upshift_module_serialize(module, &again));
  CHECK(again.size > 0);
  char path[64];
  snprintf(path, sizeof(path), "serialized-%d.tmp", (int)getpid());
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(again.data, again.size, 1, file) == 1 && fclose(file) == 0);
  wasm_module_t *mapped = NULL;
  CHECK_OK(upshift_module_deserialize_file(engine, path, &mapped));
  CHECK(remove(path) == 0);
  wasm_module_delete(mapped);
  CHECK_FAILS(upshift_module_deserialize_file(engine, path, &mapped), path);
  wasm_byte_vec_delete(&again);
  wasm_byte_vec_delete(&compiled);
  wasm_func_delete(f);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
}

static void check_binary(wasm_engine_t *engine, wasm_store_t *store) {
  const char *wat = "(module (func (export \"f\") (result i32) (i32.const 42)))";
  wasm_byte_vec_t wasm, serialized;
  CHECK_OK(upshift_wat2wasm(wat, strlen(wat), &wasm));
  CHECK(wasm_module_validate(store, &wasm));
  wasm_module_t *module = wasm_module_new(store, &wasm);
  CHECK(module != NULL);
  wasm_module_serialize(module, &serialized);
  wasm_module_delete(module);
  CHECK(serialized.size > wasm.size);
  wasm_module_t *again = wasm_module_deserialize(store, &serialized);
  CHECK(again != NULL);
  wasm_instance_t *instance = wasm_instance_new(store, again, NULL, NULL);
  wasm_module_delete(again);
  wasm_func_t *f = func_of(instance, "f");
  CHECK(call_i32(f, 0, NULL) == 42);
  wasm_func_delete(f);
  wasm_instance_delete(instance);

  /* Neither is the other's form, and damage is noticed. */
  CHECK(wasm_module_deserialize(store, &wasm) == NULL);
  CHECK(wasm_module_new(store, &serialized) == NULL);
  wasm.data[wasm.size - 1] = 0;
  CHECK(!wasm_module_validate(store, &wasm) && wasm_module_new(store, &wasm) == NULL);
  CHECK_FAILS(upshift_module_validate(engine, wasm.data, wasm.size), "");
  CHECK_FAILS(upshift_module_new(engine, wasm.data, wasm.size, &module), "");
  serialized.data[16] ^= 1;
  CHECK(wasm_module_deserialize(store, &serialized) == NULL);
  CHECK_FAILS(upshift_module_deserialize(engine, serialized.data, serialized.size, &module), "");
  wasm_byte_vec_delete(&wasm);
  wasm_byte_vec_delete(&serialized);

  CHECK_FAILS(upshift_wat2wasm("(module (func $f)", 17, &wasm), "expected");
  CHECK_FAILS(upshift_module_from_file(engine, "/nowhere/x.wasm", &module), "/nowhere/x.wasm");
}

enum { THREADS = 4 };

struct work {
  wasm_engine_t *engine;
  wasm_shared_module_t *shared;
  wasm_func_t *to_delete;
  int id, sum;
};

static wasm_trap_t *add(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)results;
  struct work *work = env;
  work->sum += args->data[0].of.i32 + work->id;
  return NULL;
}

static void *run(void *argument) {
  struct work *work = argument;
  /* References may be deleted on any thread. */
  wasm_func_delete(work->to_delete);
  for (int i = 0; i < 20; ++i) {
    wasm_store_t *store = wasm_store_new(work->engine);
    wasm_module_t *module = wasm_module_obtain(store, work->shared);
    CHECK(module != NULL);
    wasm_functype_t *type = wasm_functype_new_1_0(wasm_valtype_new_i32());
    wasm_func_t *host = wasm_func_new_with_env(store, type, add, work, NULL);
    wasm_functype_delete(type);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_extern_vec_t import_vec = WASM_ARRAY_VEC(imports);
    wasm_instance_t *instance = wasm_instance_new(store, module, &import_vec, NULL);
    wasm_func_t *f = func_of(instance, "run");
    CHECK(wasm_func_call(f, NULL, NULL) == NULL);
    wasm_func_delete(f);
    wasm_func_delete(host);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
    wasm_store_delete(store);
  }
  return NULL;
}

static void check_threads(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  wasm_module_t *module = module_of(
      engine,
      "(module (import \"\" \"\" (func $add (param i32))) (func (export \"run\") (local $i i32)"
      "  (loop $again (call $add (local.get $i))"
      "    (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
      "      (i32.const 100))))))");
  wasm_shared_module_t *shared = wasm_module_share(module);
  wasm_module_delete(module);
  wasm_functype_t *type = wasm_functype_new_1_0(wasm_valtype_new_i32());

  struct work works[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; ++i) {
    wasm_func_t *func = wasm_func_new_with_env(store, type, add, NULL, NULL);
    works[i] = (struct work){engine, shared, func, i, 0};
    CHECK(pthread_create(&threads[i], NULL, run, &works[i]) == 0);
  }
  for (int i = 0; i < THREADS; ++i) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(works[i].sum == 20 * (4950 + 100 * i));
  }
  wasm_functype_delete(type);

  /* A module of another engine can't be obtained. */
  wasm_engine_t *other = new_engine();
  wasm_store_t *other_store = wasm_store_new(other);
  CHECK(wasm_module_obtain(other_store, shared) == NULL);
  wasm_store_delete(other_store);
  wasm_engine_delete(other);
  wasm_shared_module_delete(shared);
  wasm_store_delete(store);
}

void check_modules(void) {
  wasm_engine_t *engine = new_engine();
  wasm_store_t *store = wasm_store_new(engine);
  check_binary(engine, store);
  check_precompiled(engine, store);
  wasm_store_delete(store);
  check_threads(engine);
  wasm_engine_delete(engine);
}
