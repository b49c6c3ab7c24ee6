/* What `upshift.h` adds: options, stores' data, limits and time, callers, exceptions, figures. */

#include <pthread.h>

#include "checks.h"

static void check_options(void) {
  wasm_config_t *config = wasm_config_new();
  CHECK_FAILS(upshift_config_set(config, 'T', "mod", "baseline"), "did you mean `mode`?");
  CHECK_FAILS(upshift_config_set(config, 'T', "mode", "baselin"), "did you mean `baseline`?");
  CHECK_FAILS(upshift_config_set(config, 'X', "mode", "baseline"), "`X`");
  CHECK_FAILS(upshift_config_set(config, 'T', NULL, "baseline"), "`name` is NULL");
  CHECK_OK(upshift_config_set(config, 'W', "max-stack", "256K"));
  CHECK_OK(upshift_config_set(config, 'W', "multi-value", "no"));
  wasm_message_t text;
  CHECK_OK(upshift_config_get(config, 'W', "multi-value", &text));
  CHECK(strcmp(text.data, "n") == 0);
  wasm_byte_vec_delete(&text);
  CHECK_FAILS(upshift_config_get(config, 'W', "nothing", &text), "nothing");
  upshift_config_describe(config, &text);
  CHECK(strstr(text.data, "-W multi-value=n: ") && strstr(text.data, "-T mode=tiered: "));
  wasm_byte_vec_delete(&text);

  wasm_engine_t *engine = NULL;
  CHECK_OK(upshift_engine_new(config, &engine));
  const char *wat = "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))";
  wasm_module_t *module = NULL;
  CHECK_FAILS(upshift_module_new(engine, wat, strlen(wat), &module), "multi-value");
  CHECK(module == NULL);
  wasm_engine_delete(engine);

  config = wasm_config_new();
  CHECK_OK(upshift_config_set(config, 'W', "exceptions", "yes"));
  CHECK_OK(upshift_config_set(config, 'W', "reference-types", "no"));
  engine = (wasm_engine_t *)&text;
  CHECK_FAILS(upshift_engine_new(config, &engine), "reference-types");
  CHECK(engine == (wasm_engine_t *)&text);
}

static const char *spinning =
    "(module (memory (export \"memory\") 1 10) (func (export \"spin\") (loop (br 0)))"
    "  (func (export \"grow\") (result i32) (memory.grow (i32.const 1))))";

static void *interrupt(void *handle) {
  upshift_interrupt_handle_interrupt(handle);
  return NULL;
}

static void check_limits(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  upshift_limits_t limits = {2 * 65536, -1, 1, -1, -1};
  CHECK_OK(upshift_store_set_limits(store, &limits));
  wasm_instance_t *instance = instance_of(engine, store, spinning, NULL);
  wasm_func_t *grow = func_of(instance, "grow"), *spin = func_of(instance, "spin");
  CHECK(call_i32(grow, 0, NULL) == 1 && call_i32(grow, 0, NULL) == -1);
  wasm_module_t *module = module_of(engine, "(module)");
  wasm_instance_t *second = NULL;
  CHECK_FAILS(upshift_instance_new(store, module, NULL, 0, &second, NULL), "instance");
  wasm_module_delete(module);

  CHECK_OK(upshift_store_set_timeout(store, 20 * 1000 * 1000));
  wasm_trap_t *trap = NULL;
  CHECK_OK(upshift_func_call(spin, NULL, 0, NULL, 0, &trap));
  upshift_trap_code_t code = 0;
  CHECK(upshift_trap_is_timeout(trap) && upshift_trap_code(trap, &code));
  CHECK(code == UPSHIFT_TRAP_INTERRUPT);
  wasm_trap_delete(trap);
  CHECK_OK(upshift_store_clear_timeout(store));
  CHECK(call_i32(grow, 0, NULL) == -1);

  upshift_interrupt_handle_t *handle = upshift_store_interrupt_handle(store);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, interrupt, handle) == 0);
  CHECK_OK(upshift_func_call(spin, NULL, 0, NULL, 0, &trap));
  CHECK(!upshift_trap_is_timeout(trap) && upshift_trap_code(trap, &code));
  check_trap(trap, "interrupt");
  CHECK(pthread_join(thread, NULL) == 0);
  upshift_interrupt_handle_interrupt(handle);
  upshift_interrupt_handle_disarm(handle);
  CHECK(call_i32(grow, 0, NULL) == -1);

  wasm_func_delete(grow);
  wasm_func_delete(spin);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
  upshift_interrupt_handle_interrupt(handle);
  upshift_interrupt_handle_delete(handle);
}

static void *begin_epoch(void *engine) {
  upshift_engine_increment_epoch(engine);
  return NULL;
}

/* Ends a call by an epoch that another thread begins, and by a lack of fuel. */
static void check_epochs_and_fuel(wasm_engine_t *unlike) {
  wasm_store_t *without = wasm_store_new(unlike);
  uint64_t fuel = 0;
  CHECK_FAILS(upshift_store_set_fuel(without, 5), "fuel");
  CHECK_FAILS(upshift_store_get_fuel(without, &fuel), "fuel");
  wasm_store_delete(without);

  wasm_config_t *config = new_config();
  upshift_config_consume_fuel(config, true);
  upshift_config_epoch_interruption(config, true);
  wasm_engine_t *engine = NULL;
  CHECK_OK(upshift_engine_new(config, &engine));
  wasm_store_t *store = wasm_store_new(engine);
  CHECK_OK(upshift_store_set_fuel(store, UINT64_MAX));
  CHECK_OK(upshift_store_get_fuel(store, &fuel));
  CHECK(fuel == UINT64_MAX);
  wasm_instance_t *instance = instance_of(engine, store, spinning, NULL);
  wasm_func_t *spin = func_of(instance, "spin");
  wasm_trap_t *trap = NULL;
  CHECK_OK(upshift_func_call(spin, NULL, 0, NULL, 0, &trap));
  check_trap(trap, "interrupt");
  upshift_store_set_epoch_deadline(store, 1);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, begin_epoch, engine) == 0);
  CHECK_OK(upshift_func_call(spin, NULL, 0, NULL, 0, &trap));
  check_trap(trap, "interrupt");
  CHECK(pthread_join(thread, NULL) == 0);

  upshift_store_set_epoch_deadline(store, 1000);
  CHECK_OK(upshift_store_set_fuel(store, 1000));
  CHECK_OK(upshift_func_call(spin, NULL, 0, NULL, 0, &trap));
  upshift_trap_code_t code = 0;
  CHECK(upshift_trap_code(trap, &code) && code == UPSHIFT_TRAP_OUT_OF_FUEL);
  wasm_trap_delete(trap);
  CHECK_OK(upshift_store_get_fuel(store, &fuel));
  CHECK(fuel == 0);
  wasm_func_delete(spin);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
}

/* Adds the first byte of its caller's memory to what the caller's function `five` returns. */
static wasm_trap_t *peek(void *env, const upshift_caller_t *caller, const wasm_val_t *args,
                         size_t nargs, wasm_val_t *results, size_t nresults) {
  CHECK(nargs == 0 && args != (const wasm_val_t *)1 && nresults == 1);
  CHECK(upshift_store_data(upshift_caller_store(caller)) == env);
  CHECK(upshift_caller_export(caller, "nothing") == NULL);
  /* What needs the whole store has to wait. */
  CHECK_FAILS(upshift_store_gc(upshift_caller_store(caller)), "host function");
  wasm_extern_t *memory = upshift_caller_export(caller, "memory");
  if (!memory) return NULL;
  wasm_extern_t *five = upshift_caller_export(caller, "five");
  results->kind = WASM_I32;
  results->of.i32 = wasm_memory_data(wasm_extern_as_memory(memory))[0] +
                    call_i32(wasm_extern_as_func(five), 0, NULL);
  wasm_extern_delete(memory);
  wasm_extern_delete(five);
  return NULL;
}

static int finalized = 0;
static void count_finalized(void *data) {
  (void)data;
  ++finalized;
}

static void check_callers(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  int data = 0;
  CHECK(upshift_store_data(store) == NULL);
  upshift_store_set_data(store, &data, count_finalized);
  wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
  wasm_func_t *host = NULL;
  CHECK_OK(upshift_func_new(store, type, peek, &data, count_finalized, &host));
  wasm_functype_delete(type);
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (import \"\" \"\" (func $peek (result i32))) (memory (export \"memory\") 1)"
      "  (data (i32.const 0) \"\\07\") (func (export \"five\") (result i32) (i32.const 5))"
      "  (func (export \"run\") (result i32) (i32.mul (call $peek) (call $peek))))",
      wasm_func_as_extern(host));
  wasm_func_t *run = func_of(instance, "run");
  for (int i = 0; i < 100; ++i) CHECK(call_i32(run, 0, NULL) == 144);
  /* The host calls: there is no caller to have exports. */
  CHECK(call_i32(host, 0, NULL) == 0);
  wasm_func_delete(run);
  wasm_func_delete(host);
  wasm_instance_delete(instance);
  wasm_store_t *handle = upshift_store_copy(store);
  wasm_store_delete(store);
  CHECK(finalized == 0 && upshift_store_data(handle) == &data);
  wasm_store_delete(handle);
  CHECK(finalized == 2);
}

static wasm_trap_t *throw_number(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)results;
  wasm_trap_t *trap = NULL;
  CHECK_OK(upshift_exception_new(*(wasm_tag_t **)env, args, &trap));
  return trap;
}

static void check_exceptions(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  wasm_tagtype_t *tag_type = wasm_tagtype_new(wasm_functype_new_1_0(wasm_valtype_new_i32()));
  wasm_tag_t *tag = wasm_tag_new(store, tag_type);
  wasm_tagtype_delete(tag_type);
  wasm_functype_t *type = wasm_functype_new_1_0(wasm_valtype_new_i32());
  wasm_func_t *host = wasm_func_new_with_env(store, type, throw_number, &tag, NULL);
  wasm_functype_delete(type);
  wasm_module_t *module = module_of(
      engine,
      "(module (import \"\" \"tag\" (tag $tag (param i32)))"
      "  (import \"\" \"throw\" (func $throw (param i32)))"
      "  (func (export \"catch\") (param i32) (result i32)"
      "    (block $caught (result i32) (try_table (catch $tag $caught)"
      "      (call $throw (local.get 0))) (i32.const -1)))"
      "  (func (export \"pass\") (param i32) (call $throw (local.get 0))))");
  const wasm_extern_t *imports[] = {wasm_tag_as_extern(tag), wasm_func_as_extern(host)};
  wasm_instance_t *instance = NULL;
  CHECK_OK(upshift_instance_new(store, module, imports, 2, &instance, NULL));
  wasm_module_delete(module);
  wasm_func_t *catching = func_of(instance, "catch"), *passing = func_of(instance, "pass");
  wasm_instance_delete(instance);

  int32_t number = 77;
  CHECK(call_i32(catching, 1, &number) == 77);
  wasm_val_t arg = WASM_I32_VAL(78);
  wasm_val_vec_t values = {1, &arg};
  wasm_trap_t *trap = wasm_func_call(passing, &values, NULL);
  CHECK(trap != NULL);
  wasm_tag_t *found = NULL;
  CHECK(upshift_trap_exception(trap, store, &found, &values));
  CHECK(wasm_tag_same(found, tag) && values.size == 1 && values.data[0].of.i32 == 78);
  wasm_val_vec_delete(&values);
  wasm_tag_delete(found);
  CHECK(!upshift_trap_exception(trap, store, &found, &values));
  wasm_trap_delete(trap);

  /* Values that are not the tag's. */
  wasm_val_t wrong = WASM_F32_VAL(1);
  wasm_val_vec_t one = {1, &wrong}, none = WASM_EMPTY_VEC;
  CHECK_FAILS(upshift_exception_new(tag, &one, &trap), "i32");
  CHECK_FAILS(upshift_exception_new(tag, &none, &trap), "expected 1");
  wasm_func_delete(catching);
  wasm_func_delete(passing);
  wasm_func_delete(host);
  wasm_tag_delete(tag);
  wasm_store_delete(store);
}

static void check_stats(wasm_engine_t *engine) {
  wasm_store_t *store = wasm_store_new(engine);
  wasm_instance_t *instance = instance_of(
      engine, store,
      "(module (func (export \"sum\") (param $n i32) (result i32) (local $sum i32)"
      "  (loop $again (local.set $sum (i32.add (local.get $sum) (local.get $n)))"
      "    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
      "  (local.get $sum)))",
      NULL);
  wasm_func_t *sum = func_of(instance, "sum");
  int32_t count = 1000;
  for (int i = 0; i < 20000; ++i) CHECK(call_i32(sum, 1, &count) == 500500);
  upshift_engine_wait_idle(engine);
  upshift_stats_t stats;
  upshift_engine_stats(engine, &stats);
  CHECK(stats.modules_loaded >= 1 && stats.functions_defined >= 1);
  CHECK(stats.baseline_compiled + stats.optimizer_compiled >= 1);
  CHECK(stats.baseline_code + stats.optimizer_code > 0 && stats.optimizer_failures == 0);
  printf("baseline %llu, optimizer %llu\n", (unsigned long long)stats.baseline_compiled,
         (unsigned long long)stats.optimizer_compiled);
  wasm_func_delete(sum);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
}

void check_more(void) {
  check_options();
  wasm_engine_t *engine = new_engine();
  check_limits(engine);
  check_epochs_and_fuel(engine);
  check_callers(engine);
  check_exceptions(engine);
  check_stats(engine);
  wasm_engine_delete(engine);
}
