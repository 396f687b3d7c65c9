"""The comparison itself: it finds nothing between equals, and finds what was planted."""

import shutil
from pathlib import Path
from typing import NamedTuple

import compat_sides
import pytest

SCENARIOS = compat_sides.scenario_names(deviating=False)


class Planted(NamedTuple):
    """A small change to a copy of 0.5.4, and the scenario that it must show in."""

    what: str
    scenario: str
    file: str
    text: str
    changed: str


PLANTED = [
    Planted("a code", "serialize_itself", "quickcache_helper.py", "return 'N'", "return 'n'"),
    Planted(
        "the limit of a key's length",
        "the_length_of_codes",
        "quickcache_helper.py",
        "len(args_string) > 150",
        "len(args_string) >= 150",
    ),
    Planted(
        "the limit of a name's length",
        "names_of_functions",
        "quickcache_helper.py",
        "fn.__name__[40:] and",
        "fn.__name__[39:] and",
    ),
    Planted(
        "bool proxies", "proxies", "quickcache_helper.py", "isinstance(value, bool)", "type(value) is bool"
    ),
    Planted(
        "list proxies",
        "proxies",
        "quickcache_helper.py",
        "isinstance(value, (list, tuple))",
        "issubclass(type(value), (list, tuple))",
    ),
    Planted(
        "the order of dict items",
        "subclasses_of_containers",
        "quickcache_helper.py",
        "sorted(map(self._serialize_for_key, six.iteritems(value)))",
        "map(self._serialize_for_key, six.iteritems(value))",
    ),
    Planted(
        "falsy tzinfo",
        "subclasses_of_uuid_and_datetime",
        "quickcache_helper.py",
        "if not value.tzinfo",
        "if value.tzinfo is None",
    ),
    Planted(
        "the order when skipping",
        "the_order_when_skipping",
        "quickcache_helper.py",
        "            content = self.fn(*args, **kwargs)\n"
        "            key = self.get_cache_key(*args, **kwargs)\n"
        "            self.cache",
        "            key = self.get_cache_key(*args, **kwargs)\n"
        "            content = self.fn(*args, **kwargs)\n"
        "            self.cache",
    ),
    Planted(
        "a debug line", "levels_of_logging", "quickcache_helper.py", "cache miss, calling", "miss, calling"
    ),
    Planted("a debug line of tiers", "levels_of_logging", "cache_helpers.py", "hit cache: {}", "hit: {}"),
    Planted(
        "the form of an argument",
        "clearing_and_putting",
        "quickcache_helper.py",
        "return self.cache.get(key, default=Ellipsis)",
        "return self.cache.get(key, Ellipsis)",
    ),
    Planted("a timeout by position", "presets", "cache_helpers.py", "timeout=self.timeout", "self.timeout"),
    Planted("no promotion", "tiers_in_order", "cache_helpers.py", "missed_cache.set(key, content)", "pass"),
    Planted(
        "a falsy value is a miss",
        "values_of_every_sort",
        "quickcache_helper.py",
        "if content is Ellipsis",
        "if not content or content is Ellipsis",
    ),
    Planted(
        "the text of an error",
        "validation_errors",
        "quickcache_helper.py",
        "no such argument'.format(arg,",
        "no such argument.'.format(arg,",
    ),
    Planted(
        "arguments unchecked where nothing is varied on",
        "wrong_arguments_of_functions",
        "quickcache_helper.py",
        "callargs = inspect.getcallargs(self.fn, *args, **kwargs)\n        values",
        "callargs = self.vary_on and inspect.getcallargs(self.fn, *args, **kwargs)\n        values",
    ),
    Planted(
        "the category of a warning",
        "deprecated_presets",
        "cache_helpers.py",
        "DeprecationWarning)",
        "UserWarning)",
    ),
    Planted(
        "the missing values",
        "configuration_errors",
        "quickcache.py",
        "if value is Ellipsis]",
        "if value is Ellipsis][:1]",
    ),
    Planted(
        "a Django timeout",
        "django_stages",
        "django_quickcache.py",
        "        if timeout\n",
        "        if timeout is not None\n",
    ),
]


@pytest.mark.parametrize("debug", [False, True], ids=["quiet", "debug"])
def test_nothing_is_found_between_equals(original, debug):
    """Two workers over 0.5.4 agree in every scenario: no process differs by accident."""
    with compat_sides.Side("another 0.5.4", compat_sides.oracle_directory()) as other:
        differing = [name for name in SCENARIOS if original.run(name, debug) != other.run(name, debug)]
    assert differing == []


@pytest.mark.parametrize("planted", PLANTED, ids=[planted.what for planted in PLANTED])
def test_what_was_planted_is_found(original, tmp_path: Path, planted: Planted):
    """A small change to a copy of 0.5.4 shows in the scenario that is about it."""
    shutil.copytree(compat_sides.oracle_directory(), tmp_path / "copy")
    file = tmp_path / "copy" / "quickcache" / planted.file
    source = file.read_text()
    assert source.count(planted.text) == 1
    file.write_text(source.replace(planted.text, planted.changed))
    expected = original.run(planted.scenario, debug=True)
    with compat_sides.Side(planted.what, tmp_path / "copy") as side:
        actual = side.run(planted.scenario, debug=True)
    assert compat_sides.differences(expected, actual)
