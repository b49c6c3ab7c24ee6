"""The C compiler of all C sources here: the Zig distribution's clang, from PyPI, in one pinned
version. It is installed into a private environment under corpus/."""

import pathlib
import platform
import subprocess
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "tests" / "programs" / "kernels"
THREADS = ROOT / "tests" / "programs" / "threads"
BINDINGS = ROOT / "tests" / "programs" / "bindings"
TOOLS = ROOT / "corpus" / ".tools"
ZIG = "ziglang==0.17.1"
COMMON = ["-O2", "-Wall", "-Wextra", "-Werror", "-fno-sanitize=all"]
# The features of WebAssembly 2.0 without vectors, which all engines have that are compared.
WASM_CPU = "-mcpu=mvp+" + "+".join(
    ["bulk_memory", "multivalue", "mutable_globals", "nontrapping_fptoint",
     "reference_types", "sign_ext"])
# musl, because WASI's C library is made from it: sorting leaves equal keys in the same order.
# Without fused multiplication and addition: it rounds once where WebAssembly rounds twice.
# Forbidding contraction in the source would not do, because the compiler then computes other
# constants than it did for the .wasm files.
NATIVE_TARGET = ["-target", "x86_64-linux-musl", "-mcpu=x86_64_v3-fma"]
# Kernels without a C library: loops must not become calls of memset.
BARE = ["-fno-builtin-memset", "-fno-builtin-memcpy"]


def environment():
    """The Python of the private environment, which is made if it is missing."""
    exe = TOOLS / "bin" / "python"
    if not exe.exists():
        venv.create(TOOLS, with_pip=True)
    return exe


def install():
    """The command that compiles; installs it first if it is missing."""
    exe = environment()
    subprocess.run([exe, "-m", "pip", "install", "--quiet", ZIG], check=True)
    return [exe, "-m", "ziglang", "cc"]


def require_native():
    """Ends the script where no native programs can be built."""
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64":
        raise SystemExit(f"native programs are built for Linux x86_64 only, and this is {here}")


def needs_libc(source):
    """Whether a kernel is written against the C library."""
    return source.name.startswith("libc_")
