/* Threads that share work: a queue with a condition variable, a table of locks, a counter, storage
 * of their own, memory that grows meanwhile, and waits that end by their time. What is printed does
 * not depend on the order in which threads run. */
#include "pthread.h"

enum { THREADS = 8, JOBS = 400, SLOTS = 64, ROUNDS = 2000 };

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_changed = PTHREAD_COND_INITIALIZER;
static int queue[JOBS], queued, taken, closed;

static pthread_mutex_t slot_locks[SLOTS];
static uint64_t slots[SLOTS];
static volatile uint64_t hits;
static _Thread_local uint64_t mine;

/* The number of primes below a limit, by a sieve in memory of its own. */
static uint32_t primes_below(uint32_t limit) {
    static _Thread_local unsigned char *sieve;
    static _Thread_local uint32_t room;
    if (limit > room) sieve = allocate(room = limit + 4096);
    for (uint32_t i = 0; i < limit; i++) sieve[i] = 1;
    uint32_t count = 0;
    for (uint32_t i = 2; i < limit; i++) {
        if (!sieve[i]) continue;
        count++;
        for (uint32_t j = i * 2; j < limit; j += i) sieve[j] = 0;
    }
    return count;
}

static void *work(void *argument) {
    (void)argument;
    for (;;) {
        pthread_mutex_lock(&queue_lock);
        while (taken == queued && !closed) pthread_cond_wait(&queue_changed, &queue_lock);
        if (taken == queued) break;
        int job = queue[taken++];
        pthread_mutex_unlock(&queue_lock);

        uint32_t count = primes_below(500 + job * 37);
        mine += count;
        uint64_t state = job * 0x9e3779b97f4a7c15ull + 1;
        for (int round = 0; round < ROUNDS; round++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            int slot = state % SLOTS;
            pthread_mutex_lock(&slot_locks[slot]);
            slots[slot] += count + round;
            pthread_mutex_unlock(&slot_locks[slot]);
            __atomic_fetch_add(&hits, 1, __ATOMIC_SEQ_CST);
        }
    }
    pthread_mutex_unlock(&queue_lock);
    return (void *)(uintptr_t)mine;
}

/* Waits for a signal that never comes. */
static void *wait_in_vain(void *argument) {
    (void)argument;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&lock);
    int result = cond_wait_for(&never, &lock, NANOSECONDS / 200);
    pthread_mutex_unlock(&lock);
    return (void *)(uintptr_t)result;
}

int main(void) {
    pthread_t threads[THREADS], idle[2];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], 0, work, 0)) return 1;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&idle[i], 0, wait_in_vain, 0)) return 2;
    for (int job = 0; job < JOBS; job++) {
        pthread_mutex_lock(&queue_lock);
        queue[queued++] = job;
        pthread_mutex_unlock(&queue_lock);
        pthread_cond_signal(&queue_changed);
    }
    pthread_mutex_lock(&queue_lock);
    closed = 1;
    pthread_mutex_unlock(&queue_lock);
    pthread_cond_broadcast(&queue_changed);

    uint64_t primes = 0, sum = 0;
    for (int i = 0; i < THREADS; i++) {
        void *found;
        pthread_join(threads[i], &found);
        primes += (uintptr_t)found;
    }
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(idle[i], &result);
        print("timed out: ", (uintptr_t)result);
    }
    for (int i = 0; i < SLOTS; i++) sum = (sum ^ slots[i]) * 0x100000001b3ull;
    print("own storage of the first thread: ", mine);
    print("primes: ", primes);
    print("hits: ", hits);
    print("slots: ", sum);
    return 0;
}
