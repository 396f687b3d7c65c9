"""The interpreter and the machine that figures are from."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

# What pyperf finds out about a machine and bears on figures; the rest names hosts and loads.
OF_PYPERF = (
    "aslr",
    "cpu_config",
    "cpu_count",
    "cpu_model_name",
    "perf_version",
    "platform",
    "timer",
)


def facts() -> dict[str, str]:
    """About this interpreter and machine, in words."""
    version, compiler = platform.python_version(), platform.python_compiler()
    return {
        "python": f"{platform.python_implementation()} {version} ({compiler})",
        "python_tag": f"{sys.version_info.major}.{sys.version_info.minor}{free_threaded()}",
        "optimised": optimised(),
        "load_before": " ".join(f"{load:.2f}" for load in os.getloadavg())
        if hasattr(os, "getloadavg")
        else "",
        **machine(),
    }


def free_threaded() -> str:
    return "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""


def optimised() -> str:
    """Whether this interpreter was built with optimisations guided by a profile, and how we know.

    One without runs lru_cache at half the speed, and would flatter us.
    """
    settings = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    if "--enable-optimizations" in settings:
        return "yes, --enable-optimizations"
    # Debian's packages are made by `make profile-opt`, which leaves no trace in the settings; this
    # option, for a folder of wheels of the distribution, is in them.
    if "/share/python-wheels" in settings:
        return "yes, Debian's package"
    return "no, which flatters quickcache" if settings else "not known"


def machine() -> dict[str, str]:
    """What pyperf finds out about this machine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metadata.json"
        command = [sys.executable, "-m", "pyperf", "collect_metadata", "-o", str(file)]
        try:
            subprocess.run(command, capture_output=True, check=True)
        except subprocess.CalledProcessError:
            return {"cpu_model_name": platform.processor() or platform.machine()}
        told = json.loads(file.read_text(encoding="utf-8"))["metadata"]
    return {name: str(told[name]) for name in OF_PYPERF if name in told}
