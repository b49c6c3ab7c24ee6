"""Real libraries as benchmarks: what each is made of, fetched and compiled.

The manifest has `packages` (what to fetch, as packages.py takes it), `sources` (which files of a
package's folder are compiled, and how), `libraries`: programs that `use` sources, and `reactors`:
modules of sources that export functions, for bindings. Programs with `threads` have POSIX threads, and those of the C library that comes with Rust's target for threads.
"""

import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess

import rust_and_go
import zig
from packages import fetch
from zig import ROOT

CORPUS = ROOT / "corpus"
PROGRAMS = ROOT / "tests" / "programs" / "libraries"
FETCHED = CORPUS / ".sources"
WASM_TARGET = ["-target", "wasm32-wasi", zig.WASM_CPU]
WASM_THREADS_TARGET = ["-target", "wasm32-wasi", zig.WASM_CPU + "+atomics", "-pthread"]
# For wasm-ld itself: Zig's driver links its own C library, which has no threads.
LINK_THREADS = ["--shared-memory", "--import-memory", "--export-memory", "--max-memory=268435456",
                "-z", "stack-size=1048576"]
# Names of functions stay, for profiles. For linking too, as the C library is built to match.
ALL = ["-O2", "-g0", "-fno-sanitize=all"]
# Changes with what `link` does, so that libraries are linked again.
LINKING = "names kept"
CPP = ["-std=c++20", "-fno-exceptions", "-fno-rtti"]


def manifest():
    return json.loads((PROGRAMS / "libraries.json").read_text())


class Build:
    """The libraries for one target."""

    def __init__(self, native):
        self.manifest = manifest()
        self.native = native
        self.compiler = zig.install()
        self.output = CORPUS / (".native" if native else "libraries")

    def target(self, threads):
        if self.native:
            return zig.NATIVE_TARGET + ["-pthread"] * threads
        return WASM_THREADS_TARGET if threads else WASM_TARGET

    def objects(self, threads):
        kind = "native" if self.native else "wasm"
        return CORPUS / ".objects" / (f"{kind}-threads" if threads else kind)

    def program(self, name):
        (program,) = PROGRAMS.glob(f"{name}.c*")
        return program

    def uses(self, name):
        return self.manifest["libraries"][name].get("uses", [])

    def has_threads(self, name):
        return self.manifest["libraries"][name].get("threads", False)

    def options(self, sources, threads):
        """What a compiler must know to read the headers of sources, and where there are none, ours
        in their place."""
        options = ["-I", PROGRAMS / "shims"]
        for source in sources:
            entry = self.manifest["sources"][source]
            options += entry.get("flags", [])
            options += entry.get("threads", []) if threads else []
            for folder in entry.get("include", []):
                options += ["-isystem", FETCHED / source / folder]
        return options

    def files(self, source):
        """The files of a source that are compiled: those of `files` except those of `without`, and
        those of `also`."""
        folder, entry = FETCHED / source, self.manifest["sources"][source]
        found = {key: {path for pattern in entry.get(key, []) for path in folder.glob(pattern)}
                 for key in ("files", "without", "also")}
        files = found["files"] - found["without"] | found["also"]
        if not files:
            raise SystemExit(f"{folder} has none of the files that are wanted")
        return sorted(files)

    def source_units(self, source, threads):
        """Pairs of an object and the command that makes it; others' sources are compiled as they
        are."""
        folder = FETCHED / source
        own = ["-w"]
        for flag in self.manifest["sources"][source].get("own", []):
            own.append(f"-I{folder / flag[2:]}" if flag.startswith("-I") else flag)
        for path in self.files(source):
            name = "-".join(path.relative_to(folder).parts)
            yield self.unit(self.objects(threads) / source / f"{name}.o", path,
                            [*self.options([source], threads), *own], threads)

    def program_unit(self, name):
        path, threads = self.program(name), self.has_threads(name)
        return self.unit(self.objects(threads) / f"{name}.o", path,
                         [*self.options(self.uses(name), threads), *zig.COMMON], threads)

    def unit(self, output, path, options, threads):
        cpp = path.suffix == ".cpp"
        compiler = self.compiler_of_cpp() + CPP if cpp else self.compiler
        return output, [*compiler, *self.target(threads), *ALL, *options, "-c", path]

    def compiler_of_cpp(self):
        return [*self.compiler[:-1], "c++"]

    def units(self, name):
        """All that a library is linked from."""
        threads = self.has_threads(name)
        units = [unit for source in self.uses(name) for unit in self.source_units(source, threads)]
        return [self.program_unit(name), *units]

    def linker(self, name, units):
        """The command that links a program, without its objects."""
        threads = self.has_threads(name)
        if threads and not self.native:
            return [*self.compiler[:-1], "wasm-ld", *LINK_THREADS,
                    *rust_and_go.c_library_with_threads()]
        cpp = any("c++" in command for _, command in units)
        linker = self.compiler_of_cpp() if cpp else self.compiler
        strip = ["-s"] if self.native else []
        return [*linker, *self.target(threads), *ALL, *strip]

    def link(self, name):
        units = self.units(name)
        output = self.path(name)
        # A benchmark that runs meanwhile must not see half of it.
        partial = output.with_name(output.name + ".partial")
        objects = [target for target, _ in units]
        subprocess.run([*self.linker(name, units), *objects, "-o", partial], check=True)
        if not self.native:
            partial.write_bytes(without_debug(partial.read_bytes()))
        partial.rename(output)
        self.stamp(name).write_text(self.state(name))
        print(f"{output.relative_to(ROOT)}: {output.stat().st_size} bytes")

    def path(self, name):
        return self.output / (name if self.native else f"{name}.wasm")

    def stamp(self, name):
        return self.objects(self.has_threads(name)) / f"{name}.stamp"

    def is_present(self, name):
        stamp = self.stamp(name)
        return (self.path(name).exists() and stamp.exists()
                and stamp.read_text() == self.state(name))

    def state(self, name):
        """What a library is made from, as one line."""
        commands = [[str(part) for part in command] for _, command in self.units(name)]
        texts = [zig.ZIG, LINKING, json.dumps(commands)]
        if self.has_threads(name):
            texts += [rust_and_go.TOOLCHAIN, *LINK_THREADS]
        texts += [path.read_text() for path in sorted(PROGRAMS.glob("**/*.h"))]
        texts.append(self.program(name).read_text())
        texts += [package["sha256"] for package in self.packages([name])]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def packages(self, names):
        """The packages whose sources the libraries use."""
        used = {source for name in names for source in self.uses(name)}
        for package in self.manifest["packages"]:
            if used & {target.split("/")[0] for target in package["extract"].values()}:
                yield package

    def build(self, names):
        self.output.mkdir(parents=True, exist_ok=True)
        rust = [name for name in names if rust_and_go.is_rust(name)]
        go = [name for name in names if rust_and_go.is_go(name)]
        for threads in (False, True):
            chosen = [name for name in rust if self.has_threads(name) == threads]
            if chosen:
                target = rust_and_go.rust_target(self.native, threads)
                rust_and_go.build_rust(chosen, target, self.put)
        if go:
            rust_and_go.build_go(go, self.native, self.put)
        self.build_c([name for name in names if name not in rust + go])

    def put(self, name, built):
        """Copies a program to its place, unless it is there."""
        output = self.path(name)
        if output.exists() and output.read_bytes() == built.read_bytes():
            return
        partial = output.with_name(output.name + ".partial")
        shutil.copyfile(built, partial)
        partial.chmod(0o755)
        partial.rename(output)
        print(f"{output.relative_to(ROOT)}: {output.stat().st_size} bytes")

    def build_c(self, names):
        FETCHED.mkdir(parents=True, exist_ok=True)
        for package in self.packages(names):
            fetch(package, FETCHED)
        missing = [name for name in names if not self.is_present(name)]
        # Libraries share sources, and those their objects.
        units = dict(unit for name in missing for unit in self.units(name))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_unit, units.items()))
            list(pool.map(self.link, missing))
        print(f"{len(names) - len(missing)} of {len(names)} libraries in C and C++ were present")


def without_debug(wasm):
    """A module without the C library's debugging sections. The linker can only drop them together
    with the names of functions."""
    kept, at = bytearray(wasm[:8]), 8
    while at < len(wasm):
        size, body = leb128(wasm, at + 1)
        end = body + size
        length, name = leb128(wasm, body)
        if wasm[at] != 0 or not wasm[name:name + length].startswith(b".debug"):
            kept += wasm[at:end]
        at = end
    return bytes(kept)


def leb128(data, at):
    """An unsigned number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


class Reactors(Build):
    """Libraries without a program around them, whose functions a host calls."""

    def __init__(self):
        super().__init__(native=False)
        self.manifest["libraries"] = self.manifest["reactors"]
        self.output = CORPUS / "reactors"

    def build_all(self):
        self.build(list(self.manifest["libraries"]))
        for folder in sorted((PROGRAMS / "reactors").iterdir()):
            if (folder / "Cargo.toml").exists():
                rust_and_go.build_rust_library(folder, self.put)
            elif (folder / "go.mod").exists():
                rust_and_go.build_go_library(folder, self.put)

    def program(self, name):
        return PROGRAMS / "reactors" / f"{name}.c"

    def stamp(self, name):
        return self.objects(False) / f"reactor-{name}.stamp"

    def program_unit(self, name):
        output, command = super().program_unit(name)
        return output.with_name(f"reactor-{name}.o"), command

    def linker(self, name, units):
        exports = ["malloc", "free", *self.manifest["libraries"][name]["exports"]]
        return [*super().linker(name, units), "-mexec-model=reactor", "-Wl,--export-table",
                "-Wl,--growable-table", *(f"-Wl,--export={function}" for function in exports)]

    def state(self, name):
        linker = [str(part) for part in self.linker(name, [])]
        return hashlib.sha256("\0".join([super().state(name), *linker]).encode()).hexdigest()


def compile_unit(unit):
    target, command = unit
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, "-o", target], check=True)
