/* Calls in both directions: numbers, several results, traps with frames, mistakes. */

#include "checks.h"

static wasm_trap_t *swap(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  CHECK(args->size == 4 && results->size == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(results->data[i].of.i64 == 0);
    wasm_val_copy(&results->data[i], &args->data[3 - i]);
  }
  return NULL;
}

static void check_values(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_valtype_t *types[] = {wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f32(),
                             wasm_valtype_new_f64()};
  wasm_valtype_t *swapped[] = {wasm_valtype_new_f64(), wasm_valtype_new_f32(),
                               wasm_valtype_new_i64(), wasm_valtype_new_i32()};
  wasm_functype_t *type = wasm_functype_of_arrays(4, types, 4, swapped);
  wasm_func_t *host = wasm_func_new(store, type, swap);
  wasm_functype_delete(type);
  CHECK(host != NULL && wasm_func_param_arity(host) == 4 && wasm_func_result_arity(host) == 4);
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (import \"\" \"\" (func $swap (param i32 i64 f32 f64) (result f64 f32 i64 i32)))"
      "  (func (export \"run\") (param i32 i64 f32 f64) (result f64 f32 i64 i32)"
      "    (call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3))))",
      wasm_func_as_extern(host));
  wasm_func_t *run = func_of(instance, "run");
  wasm_instance_delete(instance);
  wasm_func_delete(host);

  wasm_val_t args[] = {WASM_I32_VAL(-1), WASM_I64_VAL(-2), WASM_F32_VAL(3.5f), WASM_F64_VAL(4.25)};
  wasm_val_t results[4];
  wasm_val_vec_t arg_vec = WASM_ARRAY_VEC(args), result_vec = WASM_ARRAY_VEC(results);
  /* What is in the room for results does not matter. */
  memset(results, 0xff, sizeof(results));
  for (int i = 0; i < 100; ++i) CHECK(wasm_func_call(run, &arg_vec, &result_vec) == NULL);
  CHECK(results[0].kind == WASM_F64 && results[0].of.f64 == 4.25);
  CHECK(results[1].kind == WASM_F32 && results[1].of.f32 == 3.5f);
  CHECK(results[2].kind == WASM_I64 && results[2].of.i64 == -2);
  CHECK(results[3].kind == WASM_I32 && results[3].of.i32 == -1);

  /* Calls that can't be made are traps here, and write no results. */
  arg_vec.size = 3;
  check_trap(wasm_func_call(run, &arg_vec, &result_vec), "expected 4 arguments, found 3");
  arg_vec.size = 4;
  result_vec.size = 1;
  check_trap(wasm_func_call(run, &arg_vec, &result_vec), "expected room for 4 results, or none, found 1");
  result_vec.size = 4;
  args[1].kind = WASM_I32;
  check_trap(wasm_func_call(run, &arg_vec, &result_vec), "expected a value of type i64, not i32");
  CHECK(results[3].of.i32 == -1);
  /* Without any room, results are dropped. */
  args[1].kind = WASM_I64;
  CHECK(wasm_func_call(run, &arg_vec, NULL) == NULL);
  wasm_func_delete(run);
}

static wasm_trap_t *fail(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)args, (void)results;
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, "the host gave up");
  wasm_trap_t *trap = wasm_trap_new(env, &message);
  wasm_byte_vec_delete(&message);
  return trap;
}

static void check_frames(const wasm_trap_t *trap) {
  wasm_frame_vec_t frames;
  wasm_trap_trace(trap, &frames);
  CHECK(frames.size == 2 && upshift_trap_omitted_frames(trap) == 0);
  CHECK(wasm_frame_func_index(frames.data[0]) == 1 && wasm_frame_func_index(frames.data[1]) == 2);
  CHECK(is_text(upshift_frame_func_name(frames.data[0]), "inner"));
  CHECK(is_text(upshift_frame_module_name(frames.data[1]), "trapping"));
  for (size_t i = 0; i < 2; ++i) {
    size_t in_func = wasm_frame_func_offset(frames.data[i]);
    CHECK(in_func > 0 && in_func < 20);
    CHECK(wasm_frame_module_offset(frames.data[i]) > in_func);
    CHECK(wasm_frame_instance(frames.data[i]) == NULL);
  }
  wasm_frame_t *origin = wasm_trap_origin(trap), *copy = wasm_frame_copy(origin);
  wasm_frame_delete(origin);
  CHECK(wasm_frame_module_offset(copy) == wasm_frame_module_offset(frames.data[0]));
  wasm_frame_delete(copy);
  wasm_frame_vec_delete(&frames);
  wasm_message_t text;
  upshift_trap_backtrace(trap, &text);
  CHECK(strstr(text.data, "trapping!inner") != NULL);
  wasm_byte_vec_delete(&text);
}

static void check_traps(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
  wasm_func_t *host = wasm_func_new_with_env(store, type, fail, store, NULL);
  wasm_functype_delete(type);
  wasm_instance_t *instance =
      instance_of(engine, store,
                  "(module $trapping (import \"\" \"\" (func $fail (result i32)))"
                  "  (func $inner (param i32) (result i32)"
                  "    (if (result i32) (local.get 0) (then (call $fail))"
                  "      (else (i32.div_u (i32.const 1) (local.get 0)))))"
                  "  (func (export \"run\") (param i32) (result i32) (call $inner (local.get 0))))",
                  wasm_func_as_extern(host));
  wasm_func_t *run = func_of(instance, "run");
  wasm_instance_delete(instance);

  for (int i = 0; i < 100; ++i) {
    wasm_val_t arg = WASM_I32_VAL(i % 2), result = WASM_INIT_VAL;
    wasm_val_vec_t args = {1, &arg}, results = {1, &result};
    wasm_trap_t *trap = wasm_func_call(run, &args, &results), *copy = wasm_trap_copy(trap);
    CHECK(trap != NULL && wasm_trap_same(trap, copy) && result.of.ref == NULL);
    check_frames(copy);
    upshift_trap_code_t code = 0;
    CHECK(upshift_trap_code(trap, &code) == (i % 2 == 0));
    CHECK(code == (i % 2 == 0 ? UPSHIFT_TRAP_INTEGER_DIVIDE_BY_ZERO : 0));
    wasm_trap_delete(copy);
    check_trap(trap, i % 2 == 0 ? "integer divide by zero" : "the host gave up");
  }

  /* The host's own function, without WebAssembly. */
  wasm_val_t result;
  wasm_val_vec_t none = WASM_EMPTY_VEC, results = {1, &result};
  wasm_trap_t *trap = wasm_func_call(host, &none, &results);
  CHECK(wasm_trap_origin(trap) == NULL);
  check_trap(trap, "the host gave up");
  wasm_func_delete(run);
  wasm_func_delete(host);
}

/* A trap that the host keeps while it passes through WebAssembly is the same afterwards. */
static wasm_trap_t *throw_kept(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)args, (void)results;
  return wasm_trap_copy(env);
}

static void check_kept_trap(wasm_store_t *store) {
  wasm_message_t message;
  wasm_name_new_from_string(&message, "kept");
  wasm_trap_t *kept = wasm_trap_new(store, &message);
  wasm_byte_vec_delete(&message);
  wasm_functype_t *type = wasm_functype_new_0_0();
  wasm_func_t *func = wasm_func_new_with_env(store, type, throw_kept, kept, NULL);
  wasm_functype_delete(type);
  wasm_trap_t *trap = NULL;
  CHECK_OK(upshift_func_call(func, NULL, 0, NULL, 0, &trap));
  check_trap(trap, "kept");
  check_trap(kept, "kept");
  wasm_func_delete(func);
}

static void check_starts(wasm_engine_t *engine, wasm_store_t *store) {
  wasm_module_t *module = module_of(
      engine, "(module (func $start unreachable) (start $start))");
  wasm_trap_t *trap = NULL;
  wasm_extern_vec_t none = WASM_EMPTY_VEC;
  CHECK(wasm_instance_new(store, module, &none, &trap) == NULL);
  wasm_frame_t *frame = wasm_trap_origin(trap);
  CHECK(frame != NULL && wasm_frame_func_index(frame) == 0);
  wasm_frame_delete(frame);
  check_trap(trap, "unreachable");
  CHECK(wasm_instance_new(store, module, &none, NULL) == NULL);
  wasm_module_delete(module);

  /* An import is missing. */
  module = module_of(engine, "(module (import \"a\" \"b\" (func)))");
  trap = NULL;
  CHECK(wasm_instance_new(store, module, &none, &trap) == NULL && trap != NULL);
  wasm_trap_delete(trap);
  wasm_instance_t *instance = (wasm_instance_t *)&none;
  CHECK_FAILS(upshift_instance_new(store, module, NULL, 0, &instance, &trap), "import");
  CHECK(instance == NULL && trap == NULL);
  wasm_module_delete(module);
}

/* Results of another type than the function's. */
static wasm_trap_t *lie(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)args;
  results->data[0].kind = WASM_F32;
  return NULL;
}

static void check_lies(wasm_store_t *store) {
  wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
  wasm_func_t *func = wasm_func_new(store, type, lie);
  wasm_functype_delete(type);
  wasm_val_t result;
  wasm_val_vec_t results = {1, &result};
  check_trap(wasm_func_call(func, NULL, &results), "expected a value of type i32, not f32");
  wasm_func_delete(func);

  /* What a `wasm_val_t` can't contain. */
  type = wasm_functype_new_1_0(wasm_valtype_new(UPSHIFT_V128));
  CHECK(wasm_func_new(store, type, lie) == NULL);
  wasm_functype_delete(type);
}

void check_calls(void) {
  wasm_engine_t *engine = new_engine();
  wasm_store_t *store = wasm_store_new(engine);
  check_values(engine, store);
  check_traps(engine, store);
  check_kept_trap(store);
  check_starts(engine, store);
  check_lies(store);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
}
