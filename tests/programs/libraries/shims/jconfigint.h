/* The JPEG library's configuration for itself. */
#define BUILD "upshift"
#define INLINE inline __attribute__((always_inline))
#define HIDDEN
#define THREAD_LOCAL
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#define FALLTHROUGH
#define PACKAGE_NAME "mozjpeg"
#define VERSION "4"
