/* Allocation: binary trees built and torn down over a free list; pointer chasing, recursion. */
#define KERNEL "trees"
#define DEFAULT_SCALE 6
#include "kernel.h"

struct node { struct node *left, *right; };
enum { NODES = 1 << 16 };
static struct node pool[NODES], *free_list;

NOINLINE static struct node *make(void) {
    struct node *n = free_list;
    if (!n) __builtin_trap();
    free_list = n->left;
    return n;
}

NOINLINE static struct node *grow(u32 depth) {
    struct node *n = make();
    n->left = depth ? grow(depth - 1) : 0;
    n->right = depth ? grow(depth - 1) : 0;
    return n;
}

NOINLINE static u32 count(const struct node *n) { return n ? 1 + count(n->left) + count(n->right) : 0; }

NOINLINE static void release(struct node *n) {
    if (!n) return;
    release(n->left);
    release(n->right);
    n->left = free_list;
    free_list = n;
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i + 1 < NODES; i++) pool[i].left = &pool[i + 1];
    free_list = pool;
    for (u32 round = 0; round < scale; round++) {
        struct node *tree = grow(8 + round % 6);
        sum = mix(sum, count(tree));
        release(tree);
    }
    return sum;
}
