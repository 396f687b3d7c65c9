"""Django's tests, unpacked from its source distribution, with our backends in the place of its own.

The changes are textual, few, and each has to be found: where Django's sources have become others, nothing is
run that only seems to test ours.
"""

import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

LOCAL = "django.core.cache.backends.locmem"
STAND_IN = "django_conformance.stand_ins"


class ChangedSourceError(Exception):
    """Django's tests no longer say what is to be replaced."""


@dataclass(frozen=True)
class Change:
    """What is said in the tests, and what is to stand there."""

    what: str
    pattern: str
    replacement: str

    def made_in(self, text: str) -> tuple[str, int]:
        """The text with the change made, and how often it was."""
        return re.subn(self.pattern, self.replacement, text, flags=re.MULTILINE)


CHANGES = (
    Change("LocMemCache in CACHES", rf'"{re.escape(LOCAL)}\.LocMemCache"', f'"{STAND_IN}.LocMemCache"'),
    Change(
        "LocMemCache as a base class",
        rf"^from {re.escape(LOCAL)} import LocMemCache$",
        f"from {STAND_IN} import LocMemCache",
    ),
    Change(
        "RedisCache in CACHES",
        r'"django\.core\.cache\.backends\.redis\.RedisCache"',
        f'"{STAND_IN}.RedisCache"',
    ),
    # Caches of one LOCATION share what they hold; the tests have those of the other aliases share it by hand.
    Change(
        "private dicts of LocMemCache shared by setUp",
        r'^ +caches\["\w+"\]\.(_cache|_expire_info) = cache\.\1\n',
        "",
    ),
    # BaseCacheTests leaves it to each backend what is raised here, and says TypeError for most of them.
    Change(
        "redis-py's exception for incr of what is no number",
        r"^( +def incr_decr_type_error\(self\):\n +return )self\.lib\.ResponseError$",
        r"\1TypeError",
    ),
)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the folder `tests` of a source distribution, make the changes, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as opened:
        inside = [member for member in opened if member.name.split("/")[1:2] == ["tests"]]
        opened.extractall(folder, inside, filter="data")
    tests = next(folder.iterdir()) / "tests"
    made = dict.fromkeys((change.what for change in CHANGES), 0)
    for file in sorted(tests.rglob("*.py")):
        before = text = file.read_text(encoding="utf-8")
        for change in CHANGES:
            text, times = change.made_in(text)
            made[change.what] += times
        if text != before:
            file.write_text(text, encoding="utf-8")
    missing = [what for what, times in made.items() if not times]
    if missing:
        raise ChangedSourceError(f"{archive.name} has nowhere: {'; '.join(missing)}")
    for what, times in made.items():
        print(f"replaced {times:2} times: {what}")
    return tests
