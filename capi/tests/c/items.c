/* Globals, tables and memories, made by the host and by WebAssembly. */

#include "checks.h"

static void check_globals(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_globaltype_t *type = wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR);
  wasm_val_t value = WASM_I64_VAL(7), other = WASM_I32_VAL(1);
  CHECK(wasm_global_new(store, type, &other) == NULL);
  wasm_global_t *global = wasm_global_new(store, type, &value);
  wasm_globaltype_delete(type);
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (import \"\" \"\" (global $g (mut i64))) (export \"g\" (global $g))"
      "  (global (export \"c\") f32 (f32.const 1.5))"
      "  (func (export \"add\") (global.set $g (i64.add (global.get $g) (i64.const 1)))))",
      wasm_global_as_extern(global));
  wasm_func_t *add = func_of(instance, "add");
  CHECK(wasm_func_call(add, NULL, NULL) == NULL);
  wasm_func_delete(add);
  wasm_global_get(global, &value);
  CHECK(value.kind == WASM_I64 && value.of.i64 == 8);

  /* The export is the global that was imported. */
  wasm_extern_t *again = upshift_instance_export(instance, "g");
  CHECK(wasm_global_same(wasm_extern_as_global(again), global));
  value.of.i64 = 40;
  wasm_global_set(wasm_extern_as_global(again), &value);
  wasm_extern_delete(again);
  wasm_global_get(global, &value);
  CHECK(value.of.i64 == 40);
  /* A value of another type changes nothing. */
  wasm_global_set(global, &other);
  CHECK_FAILS(upshift_global_set(global, &other), "i64");
  wasm_global_get(global, &value);
  CHECK(value.of.i64 == 40);

  wasm_global_t *constant = wasm_extern_as_global(upshift_instance_export(instance, "c"));
  wasm_globaltype_t *found = wasm_global_type(constant);
  CHECK(wasm_globaltype_mutability(found) == WASM_CONST);
  wasm_globaltype_delete(found);
  wasm_val_t number = WASM_F32_VAL(2);
  CHECK_FAILS(upshift_global_set(constant, &number), "immutable");
  wasm_global_get(constant, &value);
  CHECK(value.of.f32 == 1.5f);
  CHECK(!wasm_global_same(constant, global));
  wasm_global_delete(constant);
  wasm_global_delete(global);
  wasm_instance_delete(instance);
}

static wasm_trap_t *negate(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  results->data[0].of.i32 = -args->data[0].of.i32;
  return NULL;
}

static void check_tables(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (table (export \"t\") 2 10 funcref) (elem (i32.const 1) $f)"
      "  (func $f (export \"f\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
      "  (func (export \"call\") (param i32 i32) (result i32)"
      "    (call_indirect (param i32) (result i32) (local.get 0) (local.get 1))))",
      NULL);
  wasm_table_t *table = wasm_extern_as_table(upshift_instance_export(instance, "t"));
  wasm_func_t *f = func_of(instance, "f"), *call = func_of(instance, "call");
  wasm_instance_delete(instance);
  CHECK(wasm_table_size(table) == 2);
  CHECK(wasm_table_get(table, 0) == NULL && wasm_table_get(table, 2) == NULL);
  wasm_ref_t *element = wasm_table_get(table, 1);
  CHECK(wasm_ref_as_func(element) != NULL && wasm_ref_as_table(element) == NULL);
  CHECK(wasm_func_same(wasm_ref_as_func(element), f));
  wasm_ref_delete(element);

  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t *host = wasm_func_new(store, type, negate);
  wasm_functype_delete(type);
  CHECK(wasm_table_set(table, 0, wasm_func_as_ref(host)));
  int32_t args[] = {5, 0};
  CHECK(call_i32(call, 2, args) == -5);
  args[1] = 1;
  CHECK(call_i32(call, 2, args) == 6);
  CHECK(wasm_table_set(table, 1, NULL) && !wasm_table_set(table, 2, NULL));
  wasm_val_t values[] = {WASM_I32_VAL(5), WASM_I32_VAL(1)}, result;
  wasm_val_vec_t value_vec = WASM_ARRAY_VEC(values), results = {1, &result};
  check_trap(wasm_func_call(call, &value_vec, &results), "uninitialized element");

  CHECK(wasm_table_grow(table, 8, wasm_func_as_ref(f)) && wasm_table_size(table) == 10);
  CHECK(!wasm_table_grow(table, 1, NULL) && wasm_table_size(table) == 10);
  args[1] = 9;
  CHECK(call_i32(call, 2, args) == 6);
  /* A table of functions takes no other references. */
  CHECK(!wasm_table_set(table, 0, wasm_table_as_ref(table)));
  wasm_tabletype_t *found = wasm_table_type(table);
  CHECK(wasm_valtype_kind(wasm_tabletype_element(found)) == WASM_FUNCREF);
  CHECK(wasm_tabletype_limits(found)->max == 10);
  wasm_tabletype_delete(found);

  wasm_limits_t limits = {3, wasm_limits_max_default};
  wasm_tabletype_t *own_type = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
  wasm_table_t *own_table = wasm_table_new(store, own_type, wasm_func_as_ref(host));
  wasm_tabletype_delete(own_type);
  element = wasm_table_get(own_table, 2);
  CHECK(wasm_func_same(wasm_ref_as_func_const(element), host));
  wasm_ref_delete(element);
  wasm_table_delete(own_table);
  wasm_func_delete(host);
  wasm_func_delete(f);
  wasm_func_delete(call);
  wasm_table_delete(table);
}

static void check_memories(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_limits_t limits = {2, 4};
  wasm_memorytype_t *type = wasm_memorytype_new(&limits);
  wasm_memory_t *memory = wasm_memory_new(store, type);
  wasm_memorytype_delete(type);
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (import \"\" \"\" (memory 2 4)) (data (i32.const 16) \"hello\")"
      "  (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
      "  (func (export \"grow\") (result i32) (memory.grow (i32.const 1))))",
      wasm_memory_as_extern(memory));
  wasm_func_t *load = func_of(instance, "load"), *grow = func_of(instance, "grow");
  wasm_instance_delete(instance);
  byte_t *data = wasm_memory_data(memory);
  CHECK(wasm_memory_size(memory) == 2);
  CHECK(wasm_memory_data_size(memory) == 2 * MEMORY_PAGE_SIZE);
  CHECK(memcmp(data + 16, "hello", 5) == 0);
  data[100] = 42;
  int32_t at = 100;
  CHECK(call_i32(load, 1, &at) == 42);

  CHECK(wasm_memory_grow(memory, 1) && wasm_memory_size(memory) == 3);
  CHECK(call_i32(grow, 0, NULL) == 3 && call_i32(grow, 0, NULL) == -1);
  CHECK(!wasm_memory_grow(memory, 1) && wasm_memory_size(memory) == 4);
  CHECK(wasm_memory_data(memory) == data);
  data[4 * MEMORY_PAGE_SIZE - 1] = 9;
  at = 4 * 65536 - 1;
  CHECK(call_i32(load, 1, &at) == 9);
  wasm_memorytype_t *found = wasm_memory_type(memory);
  CHECK(wasm_memorytype_limits(found)->min == 2 && wasm_memorytype_limits(found)->max == 4);
  wasm_memorytype_delete(found);
  wasm_func_delete(load);
  wasm_func_delete(grow);
  wasm_memory_delete(memory);

  wasm_limits_t wrong = {3, 2};
  type = wasm_memorytype_new(&wrong);
  CHECK(wasm_memory_new(store, type) == NULL);
  wasm_memorytype_delete(type);
}

/* Memories with 64-bit addresses, and those that threads share, have the same functions. */
static void check_other_memories(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_instance_t *instance =
      instance_of(engine, store,
                  "(module (memory (export \"wide\") i64 1 2) (memory (export \"shared\") 1 3 shared)"
                  "  (func (export \"store\")"
                  "    (i64.store8 (i64.const 5) (i64.const 1)) (i32.store8 1 (i32.const 5)"
                  "    (i32.const 2))))",
                  NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  CHECK(exports.size == 3);
  CHECK(wasm_func_call(wasm_extern_as_func(exports.data[2]), NULL, NULL) == NULL);
  for (int i = 0; i < 2; ++i) {
    wasm_memory_t *memory = wasm_extern_as_memory(exports.data[i]);
    CHECK(wasm_extern_kind(exports.data[i]) == WASM_EXTERN_MEMORY);
    byte_t *data = wasm_memory_data(memory);
    CHECK(data[5] == 1 + i && wasm_memory_grow(memory, 1) && wasm_memory_size(memory) == 2);
    CHECK(wasm_memory_data(memory) == data && wasm_memory_data_size(memory) == 2 * 65536);
    /* A memory of the type of another is of its sort. */
    wasm_memorytype_t *type = wasm_memory_type(memory);
    wasm_memory_t *similar = wasm_memory_new(store, type);
    wasm_memorytype_delete(type);
    CHECK(similar != NULL && !wasm_memory_same(similar, memory));
    wasm_memory_delete(similar);
    wasm_memory_set_host_info(memory, data);
  }
  wasm_extern_vec_t again;
  wasm_instance_exports(instance, &again);
  for (int i = 0; i < 2; ++i) {
    CHECK(wasm_extern_same(exports.data[i], again.data[i]));
    CHECK(wasm_extern_get_host_info(again.data[i]) ==
          wasm_memory_data(wasm_extern_as_memory(exports.data[i])));
    wasm_externtype_t *type = wasm_extern_type(again.data[i]);
    CHECK(wasm_externtype_kind(type) == WASM_EXTERN_MEMORY);
    wasm_externtype_delete(type);
  }
  wasm_extern_vec_delete(&again);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
}

void check_items(void) {
  wasm_engine_t *engine = new_engine();
  wasm_store_t *store = wasm_store_new(engine);
  check_globals(engine, store);
  check_tables(engine, store);
  check_memories(engine, store);
  check_other_memories(engine, store);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
}
