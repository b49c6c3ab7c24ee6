/*
 * Runs a plugin: a WebAssembly program that gets text, calls back to count the words that it finds,
 * and may fail. Build it with the library installed:
 *
 *     cc plugin.c $(pkg-config --cflags --libs upshift) -o plugin
 *     ./plugin some words
 */

#include <stdio.h>
#include <stdlib.h>

#include <upshift.h>

/* The plugin: calls `found` for each word of the text, and traps if there is no text. */
static const char *plugin =
    "(module $plugin"
    "  (import \"host\" \"found\" (func $found (param i32 i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func $space (param $at i32) (result i32) (i32.eq (i32.load8_u (local.get $at)) (i32.const 32)))"
    "  (func (export \"scan\") (param $end i32) (local $at i32) (local $start i32)"
    "    (if (i32.eqz (local.get $end)) (then unreachable))"
    "    (loop $next"
    "      (if (i32.or (i32.eq (local.get $at) (local.get $end)) (call $space (local.get $at)))"
    "        (then"
    "          (if (i32.lt_u (local.get $start) (local.get $at))"
    "            (then (call $found (local.get $start) (i32.sub (local.get $at) (local.get $start)))))"
    "          (local.set $start (i32.add (local.get $at) (i32.const 1)))))"
    "      (local.set $at (i32.add (local.get $at) (i32.const 1)))"
    "      (br_if $next (i32.le_u (local.get $at) (local.get $end))))))";

/* Prints an error, which it takes, and ends the program. */
static void fail(const char *what, upshift_error_t *error) {
  wasm_message_t message;
  upshift_error_message(error, &message);
  fprintf(stderr, "%s: %s\n", what, message.data);
  wasm_byte_vec_delete(&message);
  upshift_error_delete(error);
  exit(1);
}

/* A function of the host: `env` is what it was defined with. It reads its caller's memory. */
static wasm_trap_t *found(void *env, const upshift_caller_t *caller, const wasm_val_t *args,
                          size_t nargs, wasm_val_t *results, size_t nresults) {
  (void)nargs, (void)results, (void)nresults;
  wasm_extern_t *item = upshift_caller_export(caller, "memory");
  wasm_memory_t *memory = wasm_extern_as_memory(item);
  size_t at = (uint32_t)args[0].of.i32, size = (uint32_t)args[1].of.i32;
  /* A plugin can pass anything. */
  if (memory && at <= wasm_memory_data_size(memory) && size <= wasm_memory_data_size(memory) - at)
    printf("word %d: %.*s\n", ++*(int *)env, (int)size, wasm_memory_data(memory) + at);
  wasm_extern_delete(item);
  return NULL;
}

int main(int argc, char **argv) {
  upshift_error_t *error;
  wasm_engine_t *engine = wasm_engine_new();
  wasm_module_t *module = NULL;
  if ((error = upshift_module_new(engine, plugin, strlen(plugin), &module)))
    fail("cannot load the plugin", error);

  /* What plugins may call, for all stores. */
  int words = 0;
  upshift_linker_t *linker = upshift_linker_new(engine);
  wasm_functype_t *type = wasm_functype_new_2_0(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  if ((error = upshift_linker_define_func(linker, "host", "found", type, found, &words, NULL)))
    fail("cannot define the host's function", error);
  wasm_functype_delete(type);

  /* A store for this run, with a second of time. */
  wasm_store_t *store = wasm_store_new(engine);
  wasm_instance_t *instance = NULL;
  if ((error = upshift_store_set_timeout(store, 1000000000)) ||
      (error = upshift_linker_instantiate(linker, store, module, &instance, NULL)))
    fail("cannot instantiate the plugin", error);

  /* The text goes into the plugin's memory. */
  wasm_extern_t *memory = upshift_instance_export(instance, "memory");
  char *text = wasm_memory_data(wasm_extern_as_memory(memory));
  size_t room = wasm_memory_data_size(wasm_extern_as_memory(memory)), size = 0;
  for (int i = 1; i < argc && size + strlen(argv[i]) < room; ++i) {
    if (i > 1) text[size++] = ' ';
    memcpy(text + size, argv[i], strlen(argv[i]));
    size += strlen(argv[i]);
  }

  wasm_extern_t *scan = upshift_instance_export(instance, "scan");
  wasm_val_t arg = WASM_I32_VAL((int32_t)size);
  wasm_trap_t *trap = NULL;
  if ((error = upshift_func_call(wasm_extern_as_func(scan), &arg, 1, NULL, 0, &trap)))
    fail("cannot call the plugin", error);
  if (trap) {
    wasm_message_t message, backtrace;
    wasm_trap_message(trap, &message);
    upshift_trap_backtrace(trap, &backtrace);
    printf("the plugin failed: %s\n%s\n", message.data, backtrace.data);
    wasm_byte_vec_delete(&message);
    wasm_byte_vec_delete(&backtrace);
    wasm_trap_delete(trap);
  }

  wasm_extern_delete(scan);
  wasm_extern_delete(memory);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
  upshift_linker_delete(linker);
  wasm_module_delete(module);
  wasm_engine_delete(engine);
  return trap ? 1 : 0;
}
