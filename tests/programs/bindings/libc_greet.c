/* A library that uses WASI. */
#include <stdio.h>

__attribute__((export_name("greet"))) int greet(const char *name) {
    int written = printf("hello, %s\n", name);
    fflush(stdout);
    return written;
}
