/* What SQLite asks of its system, from WASI: random bytes and the time. Databases are in memory. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sqlite3.h"

static int randomness(sqlite3_vfs *vfs, int size, char *out) {
    (void)vfs;
    int taken = 0;
    /* As much as is given at once. */
    while (taken < size) {
        int part = size - taken < 256 ? size - taken : 256;
        if (getentropy(out + taken, (size_t)part) != 0) {
            break;
        }
        taken += part;
    }
    return taken;
}

static int current_time(sqlite3_vfs *vfs, double *days) {
    (void)vfs;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *days = 2440587.5 + ((double)now.tv_sec + (double)now.tv_nsec / 1e9) / 86400;
    return SQLITE_OK;
}

static int cannot_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *out) {
    (void)vfs, (void)name, (void)file, (void)flags, (void)out;
    return SQLITE_CANTOPEN;
}

int sqlite3_os_init(void) {
    static sqlite3_vfs vfs = {.iVersion = 1,
                              .szOsFile = sizeof(sqlite3_file),
                              .mxPathname = 64,
                              .zName = "memory",
                              .xOpen = cannot_open,
                              .xRandomness = randomness,
                              .xCurrentTime = current_time};
    return sqlite3_vfs_register(&vfs, 1);
}

int sqlite3_os_end(void) {
    return SQLITE_OK;
}
