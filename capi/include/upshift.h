/*
 * What Upshift has beyond the standard's `wasm.h`, whose objects and rules of ownership, NULL,
 * threads and callbacks it shares.
 *
 * Functions that return `own upshift_error_t *` return NULL if all is well; else an error that has
 * a message, and results are not written, unless it is said that they are NULL then. Names and paths
 * are text in UTF-8 that ends with a NUL, and is copied.
 */

#ifndef UPSHIFT_H
#define UPSHIFT_H

#include "wasm.h"

#ifdef __cplusplus
extern "C" {
#endif

#define own

/* Kinds of values that `wasm_valkind_t` has besides the standard's. A `wasm_val_t` can't contain a
 * v128, and of the exnref only null. */
enum upshift_valkind_enum { UPSHIFT_V128 = 4, UPSHIFT_EXNREF = 130 };

/* ---- Errors --------------------------------------------------------------------------------- */

typedef struct upshift_error_t upshift_error_t;

WASM_API_EXTERN own upshift_error_t *upshift_error_new(const char *message);
WASM_API_EXTERN void upshift_error_delete(own upshift_error_t *);

/* The error and its causes in one line, with a NUL that is counted. */
WASM_API_EXTERN void upshift_error_message(const upshift_error_t *, own wasm_message_t *out);

/* ---- Configurations and engines ------------------------------------------------------------- */

/*
 * Options by group, name and value, as the command `upshift` has them: group 'T' (tiering), 'C'
 * (compilers), 'W' (WebAssembly), 'D' (debugging). So `upshift_config_set(config, 'T', "mode",
 * "baseline")` is its `-T mode=baseline`; features are switched by `'W', "threads", "no"`. Of an
 * option that does not exist, or a value that it does not take, the error names the nearest one.
 */
WASM_API_EXTERN own upshift_error_t *upshift_config_set(wasm_config_t *, char group,
                                                        const char *name, const char *value);

/* The value of an option, with a NUL that is counted. */
WASM_API_EXTERN own upshift_error_t *upshift_config_get(const wasm_config_t *, char group,
                                                        const char *name, own wasm_message_t *out);

/* A line for each option with its value and what it does; with a NUL that is counted. */
WASM_API_EXTERN void upshift_config_describe(const wasm_config_t *, own wasm_message_t *out);

/* Whether WebAssembly consumes fuel, or looks for deadlines by epochs; see the functions of stores
 * below. Neither at first: both make code slower. */
WASM_API_EXTERN void upshift_config_consume_fuel(wasm_config_t *, bool enable);
WASM_API_EXTERN void upshift_config_epoch_interruption(wasm_config_t *, bool enable);

/* As `wasm_engine_new_with_config`, and says why it fails. */
WASM_API_EXTERN own upshift_error_t *upshift_engine_new(own wasm_config_t *,
                                                        own wasm_engine_t **out);

/* Another handle of the same engine. */
WASM_API_EXTERN own wasm_engine_t *upshift_engine_copy(const wasm_engine_t *);

/* Waits until the threads that compile have nothing to do: for tests and measurements. */
WASM_API_EXTERN void upshift_engine_wait_idle(const wasm_engine_t *);

/* Begins the next epoch: calls in stores whose deadline it is end. May be used by all threads at
 * the same time, and by signal handlers. */
WASM_API_EXTERN void upshift_engine_increment_epoch(const wasm_engine_t *);

/* What tiering has done since the engine was made, and the bytes of code that there are now. */
typedef struct upshift_stats_t {
  uint64_t modules_loaded;
  uint64_t functions_defined;  /* by these modules */
  uint64_t functions_called;   /* compiled at their first call */
  uint64_t requests;           /* for optimized code */
  uint64_t requests_dropped;
  uint64_t longest_queue;      /* of requests */
  uint64_t osr_entries;        /* running loops that entered optimized code */
  uint64_t functions_pinned;   /* that keep the code that they have */
  uint64_t baseline_compiled;  /* functions */
  uint64_t optimizer_compiled; /* functions and loops */
  uint64_t optimizer_failures;
  uint64_t baseline_code;   /* bytes */
  uint64_t optimizer_code;  /* bytes */
  uint64_t trampoline_code; /* bytes */
  uint64_t retired_code;    /* bytes that were replaced and wait to be freed */
  uint64_t freed_code;      /* bytes, in total */
} upshift_stats_t;

WASM_API_EXTERN void upshift_engine_stats(const wasm_engine_t *, upshift_stats_t *out);

/* ---- Stores --------------------------------------------------------------------------------- */

/* Another handle of the same store. */
WASM_API_EXTERN own wasm_store_t *upshift_store_copy(const wasm_store_t *);

/* Data of the host, NULL at first. The finalizer, which may be NULL, runs when other data replaces
 * it or the store is freed. */
WASM_API_EXTERN void *upshift_store_data(const wasm_store_t *);
WASM_API_EXTERN void upshift_store_set_data(wasm_store_t *, void *data, void (*finalizer)(void *));

/* What a store may allocate from now on. Negative numbers are no limit of sizes, and 10,000 of
 * items, which is what each is at first if limits are set at all. */
typedef struct upshift_limits_t {
  int64_t memory_bytes;   /* of each memory */
  int64_t table_elements; /* of each table */
  int64_t instances;
  int64_t tables;
  int64_t memories;
} upshift_limits_t;

/* This and the following are errors while a function of the host is running in the store. */
WASM_API_EXTERN own upshift_error_t *upshift_store_set_limits(wasm_store_t *,
                                                              const upshift_limits_t *);

/* Sets the time after which no call into the store runs: calls end with a trap that is a timeout,
 * until the time is set anew or cleared. Clearing also withdraws interruptions. */
WASM_API_EXTERN own upshift_error_t *upshift_store_set_timeout(wasm_store_t *,
                                                               uint64_t nanoseconds);
WASM_API_EXTERN own upshift_error_t *upshift_store_clear_timeout(wasm_store_t *);

/* Frees foreign objects and exceptions that nothing refers to, which otherwise happens from time to
 * time. */
WASM_API_EXTERN own upshift_error_t *upshift_store_gc(wasm_store_t *);

/* The fuel that WebAssembly in the store may still use, none at first: about one unit for each
 * instruction. Calls that need more end with the trap `UPSHIFT_TRAP_OUT_OF_FUEL`. Errors if the
 * engine does not consume fuel. Host functions may use these, too. */
WASM_API_EXTERN own upshift_error_t *upshift_store_set_fuel(wasm_store_t *, uint64_t fuel);
WASM_API_EXTERN own upshift_error_t *upshift_store_get_fuel(const wasm_store_t *, uint64_t *out);

/* The deadline of the store, so many epochs after the current one: then calls end with the trap
 * `UPSHIFT_TRAP_INTERRUPT`, if the engine's code looks for epochs. At first it has come. Host
 * functions may use this, too. */
WASM_API_EXTERN void upshift_store_set_epoch_deadline(wasm_store_t *,
                                                      uint64_t ticks_beyond_current);

/*
 * What interrupts a store: the call that runs, or the next one, ends with the trap
 * `UPSHIFT_TRAP_INTERRUPT`. May be used by all threads at the same time, also after the store was
 * freed. Disarming withdraws an interruption that has not ended a call.
 */
typedef struct upshift_interrupt_handle_t upshift_interrupt_handle_t;

WASM_API_EXTERN own upshift_interrupt_handle_t *upshift_store_interrupt_handle(
    const wasm_store_t *);
WASM_API_EXTERN void upshift_interrupt_handle_interrupt(const upshift_interrupt_handle_t *);
WASM_API_EXTERN void upshift_interrupt_handle_disarm(const upshift_interrupt_handle_t *);
WASM_API_EXTERN void upshift_interrupt_handle_delete(own upshift_interrupt_handle_t *);

/* ---- Modules -------------------------------------------------------------------------------- */

/* As `wasm_module_new`, and takes the text format too, if the library was built with it. */
WASM_API_EXTERN own upshift_error_t *upshift_module_new(const wasm_engine_t *, const void *bytes,
                                                        size_t len, own wasm_module_t **out);
WASM_API_EXTERN own upshift_error_t *upshift_module_from_file(const wasm_engine_t *,
                                                              const char *path,
                                                              own wasm_module_t **out);
WASM_API_EXTERN own upshift_error_t *upshift_module_validate(const wasm_engine_t *,
                                                             const void *bytes, size_t len);

/* As `wasm_module_serialize` and `wasm_module_deserialize`, and say why they fail; what is loaded
 * must come from there too. */
WASM_API_EXTERN own upshift_error_t *upshift_module_serialize(const wasm_module_t *,
                                                              own wasm_byte_vec_t *out);
WASM_API_EXTERN own upshift_error_t *upshift_module_deserialize(const wasm_engine_t *,
                                                                const void *bytes, size_t len,
                                                                own wasm_module_t **out);

/* From a file, which is mapped into memory, and must not be changed as long as the module lives. */
WASM_API_EXTERN own upshift_error_t *upshift_module_deserialize_file(const wasm_engine_t *,
                                                                     const char *path,
                                                                     own wasm_module_t **out);

/* The serialized form of a module, all of whose functions are compiled for that. */
WASM_API_EXTERN own upshift_error_t *upshift_engine_precompile_module(const wasm_engine_t *,
                                                                      const void *bytes,
                                                                      size_t len,
                                                                      own wasm_byte_vec_t *out);

/* The name in the module's name section; false if there is none. */
WASM_API_EXTERN bool upshift_module_name(const wasm_module_t *, own wasm_name_t *out);

#ifndef UPSHIFT_NO_WAT
/* The text format as a module. In libraries with the feature `wat`, on by default. */
WASM_API_EXTERN own upshift_error_t *upshift_wat2wasm(const char *wat, size_t len,
                                                      own wasm_byte_vec_t *out);
#endif

/* ---- Functions and instances ---------------------------------------------------------------- */

/* The context of a call of a host function; valid until that returns. */
typedef struct upshift_caller_t upshift_caller_t;

/*
 * A host function that knows its caller. There are as many arguments and results as its type says;
 * results are zero and null at first.
 */
typedef own wasm_trap_t *(*upshift_func_callback_t)(void *env, const upshift_caller_t *caller,
                                                    const wasm_val_t *args, size_t nargs,
                                                    own wasm_val_t *results, size_t nresults);

WASM_API_EXTERN own upshift_error_t *upshift_func_new(wasm_store_t *, const wasm_functype_t *,
                                                      upshift_func_callback_t, void *env,
                                                      void (*finalizer)(void *),
                                                      own wasm_func_t **out);

/* The store, borrowed; and an export of the instance that called, NULL if there is no such export
 * or the host called the function. */
WASM_API_EXTERN wasm_store_t *upshift_caller_store(const upshift_caller_t *);
WASM_API_EXTERN own wasm_extern_t *upshift_caller_export(const upshift_caller_t *,
                                                         const char *name);

/*
 * As `wasm_func_call`, but tells calls that could not be made, which are errors, from traps. `*trap`
 * is NULL if there is none. If `trap` is NULL, traps are errors too.
 */
WASM_API_EXTERN own upshift_error_t *upshift_func_call(const wasm_func_t *, const wasm_val_t *args,
                                                       size_t nargs, own wasm_val_t *results,
                                                       size_t nresults, own wasm_trap_t **trap);

/*
 * A value without a kind, of any type: for calls whose types the program knows. Vectors, which don't
 * fit a `wasm_val_t`, have their bytes as in linear memory. A reference is a number that means
 * something in its store only, and does not keep what it refers to: it is valid until something else
 * happens in the store. 0 is null.
 */
#ifdef __cplusplus
union alignas(16) upshift_raw_t {
#else
typedef union upshift_raw_t {
  _Alignas(16)
#endif
  uint8_t v128[16];
  int32_t i32;
  int64_t i64;
  float32_t f32;
  float64_t f64;
  uint64_t ref;
#ifdef __cplusplus
};
#else
} upshift_raw_t;
#endif

/*
 * Calls a function without comparing types and without allocating. The arguments are the first
 * values, and are replaced by the results; there must be as many values as the function has
 * parameters or results, whichever are more, and the arguments must be of its types. Errors and traps
 * as of `upshift_func_call`; what the values are then is not said.
 */
WASM_API_EXTERN own upshift_error_t *upshift_func_call_unchecked(const wasm_func_t *,
                                                                 upshift_raw_t *values,
                                                                 size_t count,
                                                                 own wasm_trap_t **trap);

/* A host function that gets its values so: it replaces the arguments by results of its types. */
typedef own wasm_trap_t *(*upshift_func_unchecked_callback_t)(void *env, const upshift_caller_t *,
                                                              upshift_raw_t *values, size_t count);

WASM_API_EXTERN own upshift_error_t *upshift_func_new_unchecked(
    wasm_store_t *, const wasm_functype_t *, upshift_func_unchecked_callback_t, void *env,
    void (*finalizer)(void *), own wasm_func_t **out);

/*
 * The raw value of a reference of a kind (`WASM_FUNCREF`, `WASM_EXTERNREF`), NULL included, and the
 * reference that a raw value is, NULL if it is null. C has no reference to an exception, so a raw one
 * can only be passed on.
 */
WASM_API_EXTERN own upshift_error_t *upshift_raw_of_ref(wasm_store_t *, wasm_valkind_t,
                                                        const wasm_ref_t *, uint64_t *out);
WASM_API_EXTERN own upshift_error_t *upshift_ref_of_raw(wasm_store_t *, wasm_valkind_t,
                                                        uint64_t raw, own wasm_ref_t **out);

/* As `wasm_instance_new`, with errors and traps as above. `*out` is NULL if there is either. */
WASM_API_EXTERN own upshift_error_t *upshift_instance_new(wasm_store_t *, const wasm_module_t *,
                                                          const wasm_extern_t *const imports[],
                                                          size_t nimports,
                                                          own wasm_instance_t **out,
                                                          own wasm_trap_t **trap);

/* The export with this name, or NULL. */
WASM_API_EXTERN own wasm_extern_t *upshift_instance_export(const wasm_instance_t *,
                                                           const char *name);

/* As `wasm_global_set`, and says why it fails. */
WASM_API_EXTERN own upshift_error_t *upshift_global_set(wasm_global_t *, const wasm_val_t *);

/* ---- Linkers -------------------------------------------------------------------------------- */

/*
 * Imports by name. One linker serves all stores of its engine, until an item of a store is defined
 * in it. It may be moved between threads, and be used to instantiate by several at the same time.
 */
typedef struct upshift_linker_t upshift_linker_t;

WASM_API_EXTERN own upshift_linker_t *upshift_linker_new(const wasm_engine_t *);
WASM_API_EXTERN own upshift_linker_t *upshift_linker_copy(const upshift_linker_t *);
WASM_API_EXTERN void upshift_linker_delete(own upshift_linker_t *);

/* Whether a name may be defined again. Not at first. */
WASM_API_EXTERN void upshift_linker_allow_shadowing(upshift_linker_t *, bool allow);

WASM_API_EXTERN own upshift_error_t *upshift_linker_define(upshift_linker_t *, const char *module,
                                                           const char *name,
                                                           const wasm_extern_t *);

/* A function of the host that belongs to no store. Where stores on several threads call it, it must
 * be ready for that. The finalizer runs when linker and stores that have the function are gone. */
WASM_API_EXTERN own upshift_error_t *upshift_linker_define_func(
    upshift_linker_t *, const char *module, const char *name, const wasm_functype_t *,
    upshift_func_callback_t, void *env, void (*finalizer)(void *));

/* The same with raw values. */
WASM_API_EXTERN own upshift_error_t *upshift_linker_define_func_unchecked(
    upshift_linker_t *, const char *module, const char *name, const wasm_functype_t *,
    upshift_func_unchecked_callback_t, void *env, void (*finalizer)(void *));

/* All exports of an instance. */
WASM_API_EXTERN own upshift_error_t *upshift_linker_define_instance(upshift_linker_t *,
                                                                    const char *name,
                                                                    const wasm_instance_t *);

/* Functions that trap for what the module imports and the linker does not have. */
WASM_API_EXTERN own upshift_error_t *upshift_linker_define_unknown_imports_as_traps(
    upshift_linker_t *, const wasm_module_t *);

/* Instantiates a module, calls its `_initialize` if there is one, and defines its exports. */
WASM_API_EXTERN own upshift_error_t *upshift_linker_module(upshift_linker_t *, wasm_store_t *,
                                                           const char *name,
                                                           const wasm_module_t *,
                                                           own wasm_trap_t **trap);

WASM_API_EXTERN own wasm_extern_t *upshift_linker_get(const upshift_linker_t *, wasm_store_t *,
                                                      const char *module, const char *name);

/* Errors and traps as of `upshift_instance_new`. */
WASM_API_EXTERN own upshift_error_t *upshift_linker_instantiate(const upshift_linker_t *,
                                                                wasm_store_t *,
                                                                const wasm_module_t *,
                                                                own wasm_instance_t **out,
                                                                own wasm_trap_t **trap);

/* ---- Traps ---------------------------------------------------------------------------------- */

typedef uint8_t upshift_trap_code_t;
enum upshift_trap_code_enum {
  UPSHIFT_TRAP_UNREACHABLE = 1,
  UPSHIFT_TRAP_MEMORY_OUT_OF_BOUNDS = 2,
  UPSHIFT_TRAP_TABLE_OUT_OF_BOUNDS = 3,
  UPSHIFT_TRAP_UNDEFINED_ELEMENT = 4,
  UPSHIFT_TRAP_UNINITIALIZED_ELEMENT = 5,
  UPSHIFT_TRAP_INDIRECT_CALL_TYPE_MISMATCH = 6,
  UPSHIFT_TRAP_INTEGER_DIVIDE_BY_ZERO = 7,
  UPSHIFT_TRAP_INTEGER_OVERFLOW = 8,
  UPSHIFT_TRAP_INVALID_CONVERSION_TO_INTEGER = 9,
  UPSHIFT_TRAP_STACK_OVERFLOW = 10,
  UPSHIFT_TRAP_INTERRUPT = 11,
  UPSHIFT_TRAP_NULL_REFERENCE = 12,
  UPSHIFT_TRAP_OUT_OF_MEMORY = 13,
  UPSHIFT_TRAP_UNALIGNED_ATOMIC = 14,
  UPSHIFT_TRAP_EXPECTED_SHARED_MEMORY = 15,
  UPSHIFT_TRAP_OUT_OF_FUEL = 16
};

/* The code, if it is a trap of WebAssembly. */
WASM_API_EXTERN bool upshift_trap_code(const wasm_trap_t *, upshift_trap_code_t *out);

/* The status, if the program has ended itself by WASI's `proc_exit`. */
WASM_API_EXTERN bool upshift_trap_exit_status(const wasm_trap_t *, int *out);

/* Whether the store's time was over. The code is that of an interruption. */
WASM_API_EXTERN bool upshift_trap_is_timeout(const wasm_trap_t *);

/* How many frames are left out behind the first 16, where the stack was deep. */
WASM_API_EXTERN size_t upshift_trap_omitted_frames(const wasm_trap_t *);

/* The frames in lines of text, with a NUL that is counted. */
WASM_API_EXTERN void upshift_trap_backtrace(const wasm_trap_t *, own wasm_message_t *out);

/* Names of the function, from the name section or an export, and of its module; borrowed from the
 * frame; NULL if there is none. And whether it ran optimized code. */
WASM_API_EXTERN const wasm_name_t *upshift_frame_func_name(const wasm_frame_t *);
WASM_API_EXTERN const wasm_name_t *upshift_frame_module_name(const wasm_frame_t *);
WASM_API_EXTERN bool upshift_frame_is_optimized(const wasm_frame_t *);

/* ---- Tags and exceptions -------------------------------------------------------------------- */

/* Tags, which the standard's API has types of only. NULL if the type has results. */
WASM_DECLARE_REF(tag)
WASM_DECLARE_EXTERN(tag)
WASM_API_EXTERN own wasm_tag_t *wasm_tag_new(wasm_store_t *, const wasm_tagtype_t *);
WASM_API_EXTERN own wasm_tagtype_t *wasm_tag_type(const wasm_tag_t *);

/* An exception, as the trap by which a host function throws it: WebAssembly can catch it. */
WASM_API_EXTERN own upshift_error_t *upshift_exception_new(const wasm_tag_t *,
                                                           const wasm_val_vec_t *values,
                                                           own wasm_trap_t **out);

/* The exception that was not caught and is this trap: before the store makes or throws another one,
 * and once. False if it is none, or has values that a `wasm_val_t` can't contain. */
WASM_API_EXTERN bool upshift_trap_exception(const wasm_trap_t *, wasm_store_t *,
                                            own wasm_tag_t **tag, own wasm_val_vec_t *values);

/* ---- WASI ----------------------------------------------------------------------------------- */

#ifndef UPSHIFT_NO_WASI
/*
 * What the programs of a store see of the system by WASI preview 1: nothing, but for what is set
 * here. In libraries with the feature `wasi`, on by default. A stream is 0, 1 or 2, as in C.
 */
typedef struct upshift_wasi_config_t upshift_wasi_config_t;

WASM_API_EXTERN own upshift_wasi_config_t *upshift_wasi_config_new(void);
WASM_API_EXTERN void upshift_wasi_config_delete(own upshift_wasi_config_t *);

/* Append arguments, of which the first is the program's name. */
WASM_API_EXTERN void upshift_wasi_config_arg(upshift_wasi_config_t *, const char *arg);
WASM_API_EXTERN void upshift_wasi_config_args(upshift_wasi_config_t *, size_t argc,
                                              const char *const argv[]);

WASM_API_EXTERN void upshift_wasi_config_env(upshift_wasi_config_t *, const char *name,
                                             const char *value);
WASM_API_EXTERN void upshift_wasi_config_inherit_env(upshift_wasi_config_t *);

/* All three streams of this process, or one of them. */
WASM_API_EXTERN void upshift_wasi_config_inherit_stdio(upshift_wasi_config_t *);
WASM_API_EXTERN own upshift_error_t *upshift_wasi_config_inherit(upshift_wasi_config_t *,
                                                                 int stream);

/* A file as a stream: 0 is read, the others are written anew. */
WASM_API_EXTERN own upshift_error_t *upshift_wasi_config_file(upshift_wasi_config_t *, int stream,
                                                              const char *path);

/* Bytes as standard input; the vector is empty afterwards. */
WASM_API_EXTERN void upshift_wasi_config_stdin_bytes(upshift_wasi_config_t *,
                                                     own wasm_byte_vec_t *);

/* A function that gets what the program writes to a stream. It returns how many bytes it took, or a
 * negative number for an error, and must not use the store. */
WASM_API_EXTERN own upshift_error_t *upshift_wasi_config_write(
    upshift_wasi_config_t *, int stream, ptrdiff_t (*write)(void *, const uint8_t *, size_t),
    void *data, void (*finalizer)(void *));

/* A directory of the host, and its name in the program. */
WASM_API_EXTERN own upshift_error_t *upshift_wasi_config_preopen_dir(upshift_wasi_config_t *,
                                                                     const char *host,
                                                                     const char *guest,
                                                                     bool writable);

/* Sets what programs see, from now on; and defines WASI's functions, for all stores. */
WASM_API_EXTERN own upshift_error_t *upshift_store_set_wasi(wasm_store_t *,
                                                            own upshift_wasi_config_t *);
WASM_API_EXTERN own upshift_error_t *upshift_linker_define_wasi(upshift_linker_t *);
#endif

#undef own

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* UPSHIFT_H */
