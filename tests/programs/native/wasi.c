/* Stands in for WASI where a kernel is compiled for the machine itself: the calls that kernel.h
 * makes, on the C library. The kernel's entry point is renamed, because the C library has its own. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned int u32;
typedef int i32;
struct ciovec { const char *bytes; u32 len; };

void kernel_start(void);
i32 wasi_args_sizes_get(u32 *count, u32 *bytes);
i32 wasi_args_get(char **args, char *bytes);
i32 wasi_fd_write(i32 fd, const struct ciovec *vecs, u32 count, u32 *written);
_Noreturn void wasi_proc_exit(i32 code);

enum { SUCCESS = 0, EIO_CODE = 29 };

static int arg_count;
static char **arg_list;

i32 wasi_args_sizes_get(u32 *count, u32 *bytes) {
    *count = (u32)arg_count;
    *bytes = 0;
    for (int i = 0; i < arg_count; i++) *bytes += (u32)strlen(arg_list[i]) + 1;
    return SUCCESS;
}

i32 wasi_args_get(char **args, char *bytes) {
    for (int i = 0; i < arg_count; i++) {
        size_t size = strlen(arg_list[i]) + 1;
        args[i] = memcpy(bytes, arg_list[i], size);
        bytes += size;
    }
    return SUCCESS;
}

i32 wasi_fd_write(i32 fd, const struct ciovec *vecs, u32 count, u32 *written) {
    *written = 0;
    for (u32 i = 0; i < count; i++) {
        for (u32 done = 0; done < vecs[i].len;) {
            ssize_t n = write(fd, vecs[i].bytes + done, vecs[i].len - done);
            if (n < 0) return EIO_CODE;
            done += (u32)n;
            *written += (u32)n;
        }
    }
    return SUCCESS;
}

void wasi_proc_exit(i32 code) {
    exit(code);
}

int main(int argc, char **argv) {
    arg_count = argc;
    arg_list = argv;
    kernel_start();
    return 0;
}
