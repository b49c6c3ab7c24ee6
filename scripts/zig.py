"""The C compiler of all C sources here: the Zig distribution's clang, from PyPI, in one pinned
version. It is installed into a private environment under corpus/."""

import pathlib
import subprocess
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "tests" / "programs" / "kernels"
TOOLS = ROOT / "corpus" / ".tools"
ZIG = "ziglang==0.17.1"
COMMON = ["-O2", "-Wall", "-Wextra", "-Werror", "-fno-sanitize=all"]
# Kernels without a C library: loops must not become calls of memset.
BARE = ["-fno-builtin-memset", "-fno-builtin-memcpy"]


def install():
    """The command that compiles; installs it first if it is missing."""
    exe = TOOLS / "bin" / "python"
    if not exe.exists():
        venv.create(TOOLS, with_pip=True)
    subprocess.run([exe, "-m", "pip", "install", "--quiet", ZIG], check=True)
    return [exe, "-m", "ziglang", "cc"]


def needs_libc(source):
    """Whether a kernel is written against the C library."""
    return source.name.startswith("libc_")
