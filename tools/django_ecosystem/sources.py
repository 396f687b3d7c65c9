"""The source distributions of the packages, which bring their tests."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .backends import LOCMEM


class ChangedSourceError(Exception):
    """Text that is to be replaced is not there."""


def version(package: dict[str, Any]) -> str:
    """The one that is installed, as tools/requirements has it. The tests import what they come with."""
    return importlib.metadata.version(package["name"])


def fetched(package: dict[str, Any], folder: Path) -> Path:
    """The source distribution, which is fetched if it is not there."""
    kept = folder / "sdists" / f"{package['name']}-{version(package)}"
    if not kept.is_dir():
        # Under its final name only once it is whole.
        part = kept.with_name(f"{kept.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        print(f"fetching {package['name']} {version(package)}", flush=True)
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        wanted = ("--no-binary", package["name"], f"{package['name']}=={version(package)}")
        subprocess.run([*pip, "--dest", part, *wanted], check=True)
        part.rename(kept)
    [archive] = kept.iterdir()
    return archive


def unpack(package: dict[str, Any], archive: Path, folder: Path) -> Path:
    """A fresh copy, in which the text is replaced that names a backend."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.unpack_archive(archive, folder, filter="data")
    [top] = folder.iterdir()
    named = f'"BACKEND": "{LOCMEM}"'
    replacements = [
        {"file": file, "old": named, "new": '**__import__("ecosystem_settings").LOCAL'}
        for file in package.get("local", [])
    ]
    for replacement in [*replacements, *package.get("replace", [])]:
        file = top / replacement["file"]
        text = file.read_text(encoding="utf-8")
        if replacement["old"] not in text:
            raise ChangedSourceError(f"{replacement['file']} has no {replacement['old']!r} to replace")
        file.write_text(text.replace(replacement["old"], replacement["new"]), encoding="utf-8")
    if not any(map(configures_pytest, top.iterdir())):
        # Or pytest would go by the next file above: that of this checkout.
        (top / "pytest.ini").touch()
    return top


def configures_pytest(file: Path) -> bool:
    """Whether pytest goes by this file."""
    names = {"pytest.ini", ".pytest.ini", "pytest.toml", "pyproject.toml", "setup.cfg", "tox.ini"}
    if file.name not in names:
        return False
    sections = ("[pytest]", "[tool:pytest]", "[tool.pytest]", "[tool.pytest.ini_options]")
    return "pytest." in file.name or any(
        line.startswith(sections) for line in file.read_text(encoding="utf-8").splitlines()
    )
