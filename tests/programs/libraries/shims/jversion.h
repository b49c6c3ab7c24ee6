/* What the JPEG library says of itself. */
#define JVERSION "4"
#define JCOPYRIGHT "see the library"
#define JCOPYRIGHT_SHORT JCOPYRIGHT
