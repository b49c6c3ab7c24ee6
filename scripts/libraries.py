"""Real libraries as benchmarks: what each is made of, fetched and compiled.

The manifest has `packages` (what to fetch, as packages.py takes it), `sources` (which files of a
package's folder are compiled, and how), and `libraries`: programs that `use` sources.
"""

import concurrent.futures
import hashlib
import json
import os
import subprocess

import zig
from packages import fetch
from zig import ROOT

CORPUS = ROOT / "corpus"
PROGRAMS = ROOT / "tests" / "programs" / "libraries"
FETCHED = CORPUS / ".sources"
WASM_TARGET = ["-target", "wasm32-wasi", zig.WASM_CPU]
# Names of functions stay, for profiles. For linking too, as the C library is built to match.
ALL = ["-O2", "-g0", "-fno-sanitize=all"]
# Others' sources are compiled as they are.
THEIRS = ["-w"]


def manifest():
    return json.loads((PROGRAMS / "libraries.json").read_text())


class Build:
    """The libraries for one target."""

    def __init__(self, native):
        self.manifest = manifest()
        self.native = native
        self.compiler = zig.install()
        self.target = zig.NATIVE_TARGET if native else WASM_TARGET
        self.output = CORPUS / (".native" if native else "libraries")
        self.objects = CORPUS / ".objects" / ("native" if native else "wasm")
        for folder in (FETCHED, self.output, self.objects):
            folder.mkdir(parents=True, exist_ok=True)

    def include(self, used):
        """The folders of headers of the sources that a library uses."""
        folders = []
        for name in used:
            for folder in self.manifest["sources"][name].get("include", []):
                folders += ["-isystem", FETCHED / name / folder]
        return folders

    def flags(self, used):
        return [flag for name in used for flag in self.manifest["sources"][name].get("flags", [])]

    def commands(self, name):
        """How each file of a library is compiled: pairs of an object and a command."""
        used = self.manifest["libraries"][name].get("uses", [])
        common = [*self.target, *ALL, *self.flags(used), *self.include(used)]
        (program,) = PROGRAMS.glob(f"{name}.c*")
        units = [(program, [*zig.COMMON])]
        for source in used:
            folder = FETCHED / source
            files = [path for pattern in self.manifest["sources"][source]["files"]
                     for path in sorted(folder.glob(pattern))]
            if not files:
                raise SystemExit(f"{folder} has none of the files that are wanted")
            units += [(path, THEIRS) for path in files]
        for path, flags in units:
            parts = "-".join([name, path.parent.name, path.name])
            yield self.objects / f"{parts}.o", [
                *self.language(path), *common, *flags, "-c", path]

    def language(self, path):
        """The compiler's command for the language of a file."""
        if path.suffix in (".cc", ".cpp"):
            return [*self.compiler[:-1], "c++", "-std=c++20", "-fno-exceptions", "-fno-rtti"]
        return self.compiler

    def library(self, name):
        output = self.output / (name if self.native else f"{name}.wasm")
        commands = list(self.commands(name))
        state = self.state(name, commands)
        stamp = self.objects / f"{name}.stamp"
        if output.exists() and stamp.exists() and stamp.read_text() == state:
            return f"{output.relative_to(ROOT)}: present"
        for object_file, command in commands:
            subprocess.run([*command, "-o", object_file], check=True)
        # A benchmark that runs meanwhile must not see half of it.
        partial = output.with_name(output.name + ".partial")
        linked = [*self.linker(commands), *self.target, *ALL, "-Wl,-S", *[o for o, _ in commands], "-o", partial]
        subprocess.run(linked, check=True)
        partial.rename(output)
        stamp.write_text(state)
        return f"{output.relative_to(ROOT)}: {output.stat().st_size} bytes"

    def linker(self, commands):
        """The command that brings the standard library of C++ along if it is needed."""
        cpp = any("c++" in command for _, command in commands)
        return [*self.compiler[:-1], "c++"] if cpp else self.compiler

    def state(self, name, commands):
        """What a library is made from, as one line."""
        texts = [json.dumps([[str(part) for part in command] for _, command in commands])]
        texts += [path.read_text() for path in sorted(PROGRAMS.glob("*.h"))]
        texts += [path.read_text() for path in PROGRAMS.glob(f"{name}.c*")]
        texts += [package["sha256"] for package in self.manifest["packages"]
                  if self.needs(package, [name])]
        texts.append(zig.ZIG)
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def needs(self, package, names):
        """Whether one of the libraries uses sources of a package."""
        folders = {target.split("/")[0] for target in package["extract"].values()}
        libraries = self.manifest["libraries"]
        return any(folders & set(libraries[name].get("uses", [])) for name in names)


def build(names, native):
    """Fetches what the named libraries need and builds them."""
    made = Build(native)
    for package in made.manifest["packages"]:
        if made.needs(package, names):
            fetch(package, FETCHED)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for line in pool.map(made.library, names):
            print(line)
