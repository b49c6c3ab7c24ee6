/* Calls with raw values: numbers, vectors, references, exceptions, traps. */

#include "checks.h"

#include <string.h>

static wasm_trap_t *reverse(void *env, const upshift_caller_t *caller, upshift_raw_t *values,
                            size_t count) {
  CHECK(count == 2 && upshift_caller_store(caller) != NULL);
  if (values[1].i32 < 0) return wasm_trap_copy(env);
  upshift_raw_t reversed;
  for (int i = 0; i < 16; ++i) reversed.v128[i] = values[0].v128[15 - i];
  values[0] = reversed;
  return NULL;
}

static wasm_functype_t *reverse_type(void) {
  return wasm_functype_new_2_1(wasm_valtype_new(UPSHIFT_V128), wasm_valtype_new_i32(),
                               wasm_valtype_new(UPSHIFT_V128));
}

static const char *const TEXT =
    "(module"
    "  (import \"host\" \"reverse\" (func $reverse (param v128 i32) (result v128)))"
    "  (tag $tag (param i32))"
    "  (func (export \"numbers\") (param i32 i64 f32 f64) (result f64 f32 i64 i32)"
    "    (local.get 3) (local.get 2) (local.get 1) (local.get 0))"
    "  (func (export \"vectors\") (param v128 i32) (result v128)"
    "    (i8x16.add (call $reverse (local.get 0) (local.get 1))"
    "      (i8x16.splat (local.get 1))))"
    "  (func (export \"add\") (param i32 i32) (result i32)"
    "    (i32.add (local.get 0) (local.get 1)))"
    "  (func (export \"same\") (param externref funcref) (result funcref externref)"
    "    (local.get 1) (local.get 0))"
    "  (func (export \"make\") (result exnref)"
    "    (block $caught (result i32 exnref)"
    "      (try_table (catch_ref $tag $caught) (throw $tag (i32.const 42)))"
    "      (unreachable))"
    "    (return))"
    "  (func (export \"open\") (param exnref) (result i32)"
    "    (block $caught (result i32)"
    "      (try_table (catch $tag $caught) (throw_ref (local.get 0)))"
    "      (unreachable)))"
    "  (func (export \"fails\") (param i32) unreachable))";

static void check_numbers(const wasm_instance_t *instance) {
  wasm_func_t *numbers = func_of(instance, "numbers"), *add = func_of(instance, "add");
  for (int i = 0; i < 300; ++i) {
    upshift_raw_t values[4];
    memset(values, 0xff, sizeof(values));
    values[0].i32 = -i, values[1].i64 = -2, values[2].f32 = 3.5f, values[3].f64 = 4.25;
    CHECK_OK(upshift_func_call_unchecked(numbers, values, 4, NULL));
    CHECK(values[0].f64 == 4.25 && values[1].f32 == 3.5f);
    CHECK(values[2].i64 == -2 && values[3].i32 == -i);
    values[0].i32 = i, values[1].i32 = 5;
    CHECK_OK(upshift_func_call_unchecked(add, values, 2, NULL));
    CHECK(values[0].i32 == i + 5);
  }
  wasm_func_delete(add);
  wasm_func_delete(numbers);
}

static void check_vectors(const wasm_instance_t *instance) {
  wasm_func_t *vectors = func_of(instance, "vectors");
  for (int n = 0; n < 300; ++n) {
    upshift_raw_t values[2];
    for (int i = 0; i < 16; ++i) values[0].v128[i] = (uint8_t)(i * n);
    values[1].i32 = n;
    CHECK_OK(upshift_func_call_unchecked(vectors, values, 2, NULL));
    for (int i = 0; i < 16; ++i) CHECK(values[0].v128[i] == (uint8_t)((15 - i) * n + n));
  }
  upshift_raw_t values[2] = {{{0}}};
  values[1].i32 = -1;
  wasm_trap_t *trap = NULL;
  CHECK_OK(upshift_func_call_unchecked(vectors, values, 2, &trap));
  check_trap(trap, "not this one");
  wasm_func_delete(vectors);
}

static void check_references(wasm_store_t *store, const wasm_instance_t *instance) {
  wasm_func_t *same = func_of(instance, "same");
  wasm_foreign_t *foreign = wasm_foreign_new(store);
  upshift_raw_t values[2];
  CHECK_OK(upshift_raw_of_ref(store, WASM_FUNCREF, wasm_func_as_ref(same), &values[1].ref));
  CHECK_OK(
      upshift_raw_of_ref(store, WASM_EXTERNREF, wasm_foreign_as_ref(foreign), &values[0].ref));
  CHECK(values[0].ref != 0 && values[1].ref != 0);
  CHECK_OK(upshift_func_call_unchecked(same, values, 2, NULL));
  wasm_ref_t *func = NULL, *object = NULL;
  CHECK_OK(upshift_ref_of_raw(store, WASM_EXTERNREF, values[1].ref, &object));
  CHECK_OK(upshift_ref_of_raw(store, WASM_FUNCREF, values[0].ref, &func));
  CHECK(wasm_ref_same(func, wasm_func_as_ref(same)));
  CHECK(wasm_ref_same(object, wasm_foreign_as_ref(foreign)));
  wasm_ref_delete(func);
  wasm_ref_delete(object);
  CHECK_OK(upshift_raw_of_ref(store, WASM_FUNCREF, NULL, &values[1].ref));
  CHECK(values[1].ref == 0);
  CHECK_OK(upshift_ref_of_raw(store, WASM_EXTERNREF, 0, &object));
  CHECK(object == NULL);
  CHECK_FAILS(upshift_raw_of_ref(store, WASM_I32, NULL, &values[1].ref), "no references");
  CHECK_FAILS(
      upshift_raw_of_ref(store, WASM_FUNCREF, wasm_foreign_as_ref(foreign), &values[1].ref),
      "expected a reference to a function");
  wasm_foreign_delete(foreign);
  wasm_func_delete(same);
}

void check_raw(void) {
  wasm_engine_t *engine = new_engine();
  wasm_store_t *store = wasm_store_new(engine);
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, "not this one");
  wasm_trap_t *trap = wasm_trap_new(store, &message);
  wasm_byte_vec_delete(&message);

  wasm_functype_t *type = reverse_type();
  upshift_linker_t *linker = upshift_linker_new(engine);
  CHECK_OK(upshift_linker_define_func_unchecked(linker, "host", "reverse", type, reverse, trap,
                                                NULL));
  wasm_module_t *module = module_of(engine, TEXT);
  wasm_instance_t *instance = NULL;
  CHECK_OK(upshift_linker_instantiate(linker, store, module, &instance, NULL));
  check_numbers(instance);
  check_vectors(instance);
  check_references(store, instance);

  /* An exception, which C only passes on. */
  wasm_func_t *make = func_of(instance, "make"), *open = func_of(instance, "open");
  for (int i = 0; i < 100; ++i) {
    upshift_raw_t value;
    CHECK_OK(upshift_func_call_unchecked(make, &value, 1, NULL));
    CHECK_OK(upshift_func_call_unchecked(open, &value, 1, NULL));
    CHECK(value.i32 == 42);
  }
  wasm_func_delete(make);
  wasm_func_delete(open);
  wasm_func_t *fails = func_of(instance, "fails");
  upshift_raw_t value = {{0}};
  CHECK_FAILS(upshift_func_call_unchecked(fails, &value, 1, NULL), "unreachable");
  wasm_func_delete(fails);
  wasm_instance_delete(instance);

  /* The same function as an item of the store. */
  wasm_func_t *func = NULL;
  CHECK_OK(upshift_func_new_unchecked(store, type, reverse, trap, NULL, &func));
  upshift_raw_t values[2] = {{{1, 2}}};
  values[1].i32 = 0;
  CHECK_OK(upshift_func_call_unchecked(func, values, 2, NULL));
  CHECK(values[0].v128[15] == 1 && values[0].v128[14] == 2 && values[0].v128[0] == 0);
  wasm_func_delete(func);

  upshift_linker_delete(linker);
  wasm_module_delete(module);
  wasm_functype_delete(type);
  wasm_trap_delete(trap);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
}
