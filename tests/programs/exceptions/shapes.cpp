/* Exceptions of C++: thrown through frames with destructors, caught by class, base class, value and
 * in any case, and thrown again. Without the streams and strings of the library, which would be most
 * of the program. The expected output is that of a native build. */
#include <exception>
#include <typeinfo>
#include <cstdio>
#include <cstdlib>

namespace {
struct Error : std::exception {
    int code;
    explicit Error(int code) : code(code) {}
    const char *what() const noexcept override { return "error"; }
};
struct Deep : Error {
    using Error::Error;
    const char *what() const noexcept override { return "deep"; }
};
unsigned long long sum = 1469598103934665603ull;
void mix(unsigned long long value) { sum = (sum ^ value) * 1099511628211ull; }
struct Guard {
    int id;
    explicit Guard(int id) : id(id) {}
    ~Guard() { mix(id * 2 + 1); }
};
[[gnu::noinline]] int leaf(int n) {
    if (n % 7 == 3) throw Deep(n);
    if (n % 11 == 5) throw n;
    if (n % 13 == 6) throw "text";
    if (n % 17 == 8) throw Error(n * 3);
    return n;
}
[[gnu::noinline]] int frames(int depth, int n) {
    Guard guard(depth);
    if (depth == 0) return leaf(n);
    return frames(depth - 1, n) + depth;
}
[[gnu::noinline]] int once(int n) {
    try {
        try {
            return frames(n % 12, n);
        } catch (const Deep &deep) {
            mix(deep.code);
            if (n % 2) throw;
            return -deep.code;
        } catch (int value) {
            mix(value);
            throw Error(value + 1);
        }
    } catch (const Error &error) {
        mix(error.what()[0]);
        return error.code;
    } catch (...) {
        mix(99);
        return -1;
    }
}
}
int main(int argc, char **argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 2000;
    for (int n = 0; n < rounds; n++) mix(once(n));
    std::printf("exceptions %016llx\n", sum);
    try {
        throw Error(42);
    } catch (const std::exception &error) {
        std::printf("%s %s\n", error.what(), typeid(error) == typeid(Error) ? "Error" : "other");
    }
    return 0;
}
