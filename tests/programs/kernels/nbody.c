/* Floating point: planets under gravity; long chains of multiply, add, divide, square root. */
#define KERNEL "nbody"
#define DEFAULT_SCALE 2000
#include "kernel.h"

enum { BODIES = 5 };
struct body { double x, y, z, vx, vy, vz, mass; };
static struct body bodies[BODIES];

NOINLINE static void advance(double dt) {
    for (u32 i = 0; i < BODIES; i++) {
        struct body *p = &bodies[i];
        for (u32 j = i + 1; j < BODIES; j++) {
            struct body *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double d2 = dx * dx + dy * dy + dz * dz + 0.01;
            double pull = dt / (d2 * __builtin_sqrt(d2));
            p->vx -= dx * q->mass * pull;
            p->vy -= dy * q->mass * pull;
            p->vz -= dz * q->mass * pull;
            q->vx += dx * p->mass * pull;
            q->vy += dy * p->mass * pull;
            q->vz += dz * p->mass * pull;
        }
    }
    for (u32 i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

static u64 kernel(u32 scale) {
    u64 sum = 0;
    for (u32 i = 0; i < BODIES; i++) {
        struct body start = { i * 1.5, i * 0.25 - 0.5, i % 2 ? 0.1 : -0.1, i * 0.01, 0.3 - i * 0.1, 0, 1.0 / (1 + i) };
        bodies[i] = start;
    }
    for (u32 step = 0; step < scale; step++) advance(0.001);
    for (u32 i = 0; i < BODIES; i++) sum = mix(sum, bits(bodies[i].x) ^ bits(bodies[i].vy));
    return sum;
}
