/* What libraries are given in place of longjmp, which WASI has only with exceptions: an error that
 * they would report by jumping out ends the program. The same for all targets, so that all run the
 * same code. */

#ifndef SHIM_SETJMP_H
#define SHIM_SETJMP_H
typedef int jmp_buf[1];
#define setjmp(buffer) ((void)(buffer), 0)
#define longjmp(buffer, value) ((void)(buffer), (void)(value), __builtin_trap())
#endif
