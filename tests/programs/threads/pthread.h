/* The part of POSIX threads that the programs here use, over WASI threads: what a C library with
 * threads does, in two hundred lines. Programs define `int main(void)`; they have no C library
 * otherwise. Compiled as one translation unit. */
#include <stddef.h>
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

IMPORT("wasi", "thread-spawn") int32_t wasi_thread_spawn(void *start);
IMPORT("wasi_snapshot_preview1", "fd_write")
int32_t wasi_fd_write(int32_t fd, const void *iovs, int32_t count, int32_t *written);
IMPORT("wasi_snapshot_preview1", "proc_exit") _Noreturn void wasi_proc_exit(int32_t code);

/* Storage of a thread: made by the linker, one copy for each thread. */
extern unsigned char __heap_base;
void __wasm_init_tls(void *memory);
void __wasm_call_ctors(void);

#define PAGE 65536u
#define STACK_BYTES 65536u
#define NANOSECONDS 1000000000ll
enum { EBUSY = 10, ETIMEDOUT = 73, EAGAIN = 6 };

static inline int32_t futex_wait(volatile int32_t *word, int32_t value, int64_t nanoseconds) {
    return __builtin_wasm_memory_atomic_wait32((int32_t *)word, value, nanoseconds);
}

static inline uint32_t futex_wake(volatile int32_t *word, int32_t count) {
    return __builtin_wasm_memory_atomic_notify((int32_t *)word, (uint32_t)count);
}

/* Mutexes: 0 is free, 1 locked, 2 locked with threads that wait. */

typedef struct { volatile int32_t state; } pthread_mutex_t;
#define PTHREAD_MUTEX_INITIALIZER {0}

static int pthread_mutex_trylock(pthread_mutex_t *mutex) {
    int32_t free = 0;
    return __atomic_compare_exchange_n(&mutex->state, &free, 1, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST) ? 0 : EBUSY;
}

static int pthread_mutex_lock(pthread_mutex_t *mutex) {
    if (pthread_mutex_trylock(mutex) == 0) return 0;
    while (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_SEQ_CST) != 0)
        futex_wait(&mutex->state, 2, -1);
    return 0;
}

static int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    if (__atomic_exchange_n(&mutex->state, 0, __ATOMIC_SEQ_CST) == 2) futex_wake(&mutex->state, 1);
    return 0;
}

/* Condition variables: a counter of signals. */

typedef struct { volatile int32_t signals; } pthread_cond_t;
#define PTHREAD_COND_INITIALIZER {0}

/* Waits for a relative time; a negative one never ends. */
static int cond_wait_for(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t nanoseconds) {
    int32_t seen = __atomic_load_n(&cond->signals, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(mutex);
    int32_t result = futex_wait(&cond->signals, seen, nanoseconds);
    pthread_mutex_lock(mutex);
    return result == 2 ? ETIMEDOUT : 0;
}

static int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) {
    return cond_wait_for(cond, mutex, -1);
}

static int pthread_cond_signal(pthread_cond_t *cond) {
    __atomic_fetch_add(&cond->signals, 1, __ATOMIC_SEQ_CST);
    futex_wake(&cond->signals, 1);
    return 0;
}

static int pthread_cond_broadcast(pthread_cond_t *cond) {
    __atomic_fetch_add(&cond->signals, 1, __ATOMIC_SEQ_CST);
    futex_wake(&cond->signals, -1);
    return 0;
}

/* Threads. */

struct thread {
    /* Read by `wasi_thread_start` in assembly. */
    unsigned char *stack_end;
    unsigned char *tls;
    void *(*run)(void *);
    void *argument;
    void *result;
    volatile int32_t ended;
};
typedef struct thread *pthread_t;

/* Memory that is never freed, grown by the thread that needs it. */
static void *allocate(size_t bytes) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uintptr_t next;
    pthread_mutex_lock(&lock);
    if (next == 0) next = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    uintptr_t start = next;
    next += (bytes + 15) & ~(size_t)15;
    size_t have = __builtin_wasm_memory_size(0) * PAGE;
    if (next > have) {
        size_t pages = (next - have + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) wasi_proc_exit(71);
    }
    pthread_mutex_unlock(&lock);
    return (void *)start;
}

static int pthread_create(pthread_t *out, const void *attributes, void *(*run)(void *),
                          void *argument) {
    (void)attributes;
    struct thread *thread = allocate(sizeof *thread);
    *thread = (struct thread){
        .stack_end = (unsigned char *)allocate(STACK_BYTES) + STACK_BYTES,
        .tls = allocate(__builtin_wasm_tls_size() + __builtin_wasm_tls_align()),
        .run = run,
        .argument = argument,
    };
    *out = thread;
    return wasi_thread_spawn(thread) < 0 ? EAGAIN : 0;
}

static int pthread_join(pthread_t thread, void **result) {
    while (__atomic_load_n(&thread->ended, __ATOMIC_SEQ_CST) == 0)
        futex_wait(&thread->ended, 0, -1);
    if (result) *result = thread->result;
    return 0;
}

__attribute__((used)) void thread_main(int32_t id, struct thread *thread) {
    (void)id;
    uintptr_t align = __builtin_wasm_tls_align();
    uintptr_t tls = (uintptr_t)thread->tls;
    if (align > 1) tls = (tls + align - 1) & ~(align - 1);
    __wasm_init_tls((void *)tls);
    thread->result = thread->run(thread->argument);
    __atomic_store_n(&thread->ended, 1, __ATOMIC_SEQ_CST);
    futex_wake(&thread->ended, -1);
}

/* The stack has to be set before anything in C runs. */
__asm__(".globaltype __stack_pointer, i32\n"
        ".functype thread_main (i32, i32) -> ()\n"
        ".globl wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        ".functype wasi_thread_start (i32, i32) -> ()\n"
        "local.get 1\n"
        "i32.load 0\n"
        "global.set __stack_pointer\n"
        "local.get 0\n"
        "local.get 1\n"
        "call thread_main\n"
        "end_function\n");

int main(void);
void _start(void);

void _start(void) {
    __wasm_call_ctors();
    wasi_proc_exit(main());
}

static void write_all(const char *text, size_t len) {
    struct { const char *at; size_t len; } vector = {text, len};
    int32_t written;
    wasi_fd_write(1, &vector, 1, &written);
}

/* Prints a name and a number, in one call. */
static void print(const char *name, uint64_t value) {
    char line[128];
    size_t at = 0;
    while (*name && at < 90) line[at++] = *name++;
    char digits[20];
    int count = 0;
    do digits[count++] = '0' + value % 10; while (value /= 10);
    while (count) line[at++] = digits[--count];
    line[at++] = '\n';
    write_all(line, at);
}
