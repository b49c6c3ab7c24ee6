/* References: identity, data of the host, finalizers, and who keeps what alive. */

#include "checks.h"

static int live = 0;

static void finalize(void *data) {
  --live;
  if (data) ++*(int *)data;
}

static wasm_trap_t *identity(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  wasm_val_copy(&results->data[0], &args->data[0]);
  return NULL;
}

static wasm_ref_t *call_ref(const wasm_func_t *func, wasm_ref_t *ref) {
  wasm_val_t arg = WASM_REF_VAL(ref), result = WASM_INIT_VAL;
  wasm_val_vec_t args = {1, &arg}, results = {1, &result};
  CHECK(wasm_func_call(func, &args, &results) == NULL);
  CHECK(wasm_valkind_is_ref(result.kind));
  return result.of.ref;
}

static void check_is(wasm_ref_t *found, const wasm_ref_t *expected) {
  CHECK(wasm_ref_same(found, expected));
  if (found) CHECK(wasm_ref_get_host_info(found) == wasm_ref_get_host_info(expected));
  wasm_ref_delete(found);
}

/* Foreign objects through parameters, results, globals, tables and host functions. */
static void check_foreign(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_functype_t *type =
      wasm_functype_new_1_1(wasm_valtype_new_externref(), wasm_valtype_new_externref());
  wasm_func_t *host = wasm_func_new(store, type, identity);
  wasm_functype_delete(type);
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (import \"\" \"\" (func $host (param externref) (result externref)))"
      "  (global $g (export \"g\") (mut externref) (ref.null extern))"
      "  (table $t (export \"t\") 3 externref)"
      "  (func (export \"through\") (param externref) (result externref)"
      "    (global.set $g (local.get 0)) (table.set $t (i32.const 1) (local.get 0))"
      "    (call $host (global.get $g))))",
      wasm_func_as_extern(host));
  wasm_func_t *through = func_of(instance, "through");
  wasm_global_t *global = wasm_extern_as_global(upshift_instance_export(instance, "g"));
  wasm_table_t *table = wasm_extern_as_table(upshift_instance_export(instance, "t"));
  wasm_instance_delete(instance);

  int finalized = 0;
  wasm_ref_t *one = wasm_foreign_as_ref(wasm_foreign_new(store));
  wasm_ref_t *two = wasm_foreign_as_ref(wasm_foreign_new(store));
  live = 2;
  wasm_ref_set_host_info_with_finalizer(one, &finalized, finalize);
  wasm_ref_set_host_info_with_finalizer(two, &finalized, finalize);
  CHECK(!wasm_ref_same(one, two) && wasm_ref_as_foreign(one) == (wasm_foreign_t *)one);
  CHECK(wasm_ref_as_func(one) == NULL && wasm_ref_as_extern(one) == NULL);

  check_is(wasm_ref_copy(one), one);
  check_is(call_ref(through, one), one);
  wasm_val_t value;
  wasm_global_get(global, &value);
  CHECK(value.kind == WASM_EXTERNREF);
  check_is(value.of.ref, one);
  check_is(wasm_table_get(table, 1), one);
  CHECK(wasm_table_set(table, 2, two));
  check_is(wasm_table_get(table, 2), two);
  check_is(call_ref(through, NULL), NULL);
  CHECK(wasm_table_get(table, 1) == NULL);

  /* Everything that can be referred to can be an externref. */
  check_is(call_ref(through, wasm_func_as_ref(through)), wasm_func_as_ref(through));
  check_is(call_ref(through, wasm_table_as_ref(table)), wasm_table_as_ref(table));
  check_is(call_ref(through, NULL), NULL);

  /* WebAssembly keeps the second one, in the table. */
  wasm_ref_delete(one);
  wasm_ref_delete(two);
  CHECK_OK(upshift_store_gc(store));
  CHECK(live == 1 && finalized == 1);
  CHECK(wasm_table_set(table, 2, NULL));
  CHECK_OK(upshift_store_gc(store));
  CHECK(live == 0 && finalized == 2);

  wasm_table_delete(table);
  wasm_global_delete(global);
  wasm_func_delete(through);
  wasm_func_delete(host);
}

/* Many foreign objects that WebAssembly saw and dropped: freed while more are passed. */
static void check_collection(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (func (export \"same\") (param externref) (result externref) (local.get 0)))", NULL);
  wasm_func_t *same = func_of(instance, "same");
  wasm_instance_delete(instance);
  enum { COUNT = 20000 };
  int most = 0;
  live = 0;
  for (int i = 0; i < COUNT; ++i) {
    wasm_ref_t *ref = wasm_foreign_as_ref(wasm_foreign_new(store));
    wasm_ref_set_host_info_with_finalizer(ref, NULL, finalize);
    ++live;
    check_is(call_ref(same, ref), ref);
    wasm_ref_delete(ref);
    if (live > most) most = live;
  }
  CHECK(most < COUNT / 2);
  CHECK_OK(upshift_store_gc(store));
  CHECK(live == 0);
  wasm_func_delete(same);
}

/* Data of the host belongs to the object, whichever reference is used. */
static void check_host_info(wasm_engine_t *engine) {
  int finalized = 0, data = 0;
  wasm_store_t *store = wasm_store_new(engine);
  wasm_instance_t *instance =
      instance_of(engine, store, "(module (func (export \"f\")) (func (export \"g\")))", NULL);
  wasm_func_t *f = func_of(instance, "f"), *again = func_of(instance, "f");
  wasm_func_t *g = func_of(instance, "g");
  CHECK(f != again && wasm_func_same(f, again) && !wasm_func_same(f, g));
  CHECK(wasm_func_get_host_info(f) == NULL);
  wasm_func_set_host_info(f, &data);
  CHECK(wasm_func_get_host_info(again) == &data && wasm_func_get_host_info(g) == NULL);
  CHECK(wasm_ref_get_host_info(wasm_func_as_ref(again)) == &data);

  live = 3;
  wasm_func_set_host_info_with_finalizer(f, &finalized, finalize);
  wasm_func_set_host_info_with_finalizer(again, &finalized, finalize);
  CHECK(live == 2 && finalized == 1);
  wasm_instance_set_host_info_with_finalizer(instance, &finalized, finalize);
  wasm_func_delete(f);
  wasm_func_delete(again);
  wasm_instance_delete(instance);
  CHECK(live == 2);
  /* A reference keeps the store, and with it all that it has. */
  wasm_store_delete(store);
  CHECK(live == 2 && wasm_func_call(g, NULL, NULL) == NULL);
  wasm_func_delete(g);
  CHECK(live == 0 && finalized == 3);

  /* Of objects that belong to no store it lives as long as they do. */
  store = wasm_store_new(engine);
  wasm_module_t *module = module_of(engine, "(module)"), *copy = wasm_module_copy(module);
  live = 1;
  wasm_module_set_host_info_with_finalizer(module, &finalized, finalize);
  wasm_module_delete(module);
  CHECK(live == 1 && wasm_module_get_host_info(copy) == &finalized);
  wasm_module_delete(copy);
  CHECK(live == 0);
  wasm_store_delete(store);
}

/* Many instances in two stores, each with a finalizer. */
static void check_instances(wasm_engine_t *engine) {
  wasm_module_t *module = module_of(engine, "(module (func (export \"f\")) (memory 0))");
  wasm_store_t *stores[] = {wasm_store_new(engine), wasm_store_new(engine)};
  live = 0;
  for (int i = 0; i < 2000; ++i) {
    wasm_instance_t *instance = wasm_instance_new(stores[i % 2], module, NULL, NULL);
    CHECK(instance != NULL);
    wasm_instance_set_host_info_with_finalizer(instance, NULL, finalize);
    ++live;
    wasm_instance_delete(instance);
  }
  wasm_module_delete(module);
  CHECK(live == 2000);
  wasm_store_delete(stores[1]);
  CHECK(live == 1000);
  wasm_store_delete(stores[0]);
  CHECK(live == 0);
}

struct doomed {
  wasm_store_t *store;
  wasm_func_t *run, *host;
};

/* Deletes everything that the running call was made with. */
static wasm_trap_t *delete_all(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)args, (void)results;
  struct doomed *doomed = env;
  wasm_func_delete(doomed->run);
  wasm_func_delete(doomed->host);
  wasm_store_delete(doomed->store);
  return NULL;
}

static void check_deletion_in_call(wasm_engine_t *engine) {
  int finalized = 0;
  live = 1;
  struct doomed doomed = {wasm_store_new(engine), NULL, NULL};
  upshift_store_set_data(doomed.store, &finalized, finalize);
  wasm_functype_t *type = wasm_functype_new_0_0();
  doomed.host = wasm_func_new_with_env(doomed.store, type, delete_all, &doomed, NULL);
  wasm_functype_delete(type);
  wasm_instance_t *instance =
      instance_of(engine, doomed.store,
                  "(module (import \"\" \"\" (func $f)) (func (export \"run\") (call $f)))",
                  wasm_func_as_extern(doomed.host));
  doomed.run = func_of(instance, "run");
  wasm_instance_delete(instance);
  CHECK(wasm_func_call(doomed.run, NULL, NULL) == NULL);
  CHECK(live == 0 && finalized == 1);
}

/* A finalizer that uses the store whose collection runs it. */
static void use_store(void *env) {
  wasm_store_t *store = *(wasm_store_t **)env;
  CHECK(upshift_store_data(store) == env);
  --live;
}

static void check_finalizer_in_call(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  upshift_store_set_data(store, &store, NULL);
  live = 1;
  wasm_limits_t limits = {1, 1};
  wasm_tabletype_t *type = wasm_tabletype_new(wasm_valtype_new_externref(), &limits);
  wasm_ref_t *ref = wasm_foreign_as_ref(wasm_foreign_new(store));
  wasm_ref_set_host_info_with_finalizer(ref, &store, use_store);
  wasm_table_t *table = wasm_table_new(store, type, ref);
  wasm_tabletype_delete(type);
  wasm_ref_delete(ref);
  CHECK(live == 1 && wasm_table_set(table, 0, NULL));
  CHECK_OK(upshift_store_gc(store));
  CHECK(live == 0);
  wasm_table_delete(table);
  wasm_store_delete(store);
}

void check_refs(void) {
  wasm_engine_t *engine = new_engine();
  wasm_store_t *store = wasm_store_new(engine);
  check_foreign(engine, store);
  check_collection(engine, store);
  wasm_store_delete(store);
  check_host_info(engine);
  check_instances(engine);
  check_deletion_in_call(engine);
  check_finalizer_in_call(engine);
  wasm_ref_delete(NULL);
  wasm_func_delete(NULL);
  CHECK(wasm_ref_copy(NULL) == NULL && wasm_ref_same(NULL, NULL));
  wasm_engine_delete(engine);
}
