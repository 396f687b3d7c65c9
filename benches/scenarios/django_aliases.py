"""Django's `caches`: a get of each backend, and hits of functions decorated over two of them."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benches.connecting import VALUES, Watched, expect
from benches.contender import Subject
from benches.contenders import AbsentError
from benches.contenders.aliases import Backend, configured
from benches.loop import timed
from benches.preparing import WrongAnswerError
from benches.result import Race
from benches.scenarios.remote_hits import microseconds
from benches.server import Server, serving
from benches.subjects import computed, of_one, small_dict
from benches.timing import Plan, interleaved

KEYS = 100
LIVES: dict[str, Any] = {"timeout": 300, "memoize_timeout": 100}  # seconds that no sample outlasts
SUBJECTS: dict[str, tuple[str, Subject, int | str]] = {
    "int": ("an int, by an int", Subject(of_one, ("x",)), 4_321),
    "dict": ("a dict of four, by a str of 16", Subject(small_dict, ("key",)), "sixteen-letters."),
}


def races(plan: Plan, backends: list[Backend]) -> Iterator[Race]:
    with serving() as server, configured(backends, server.addresses["TCP"].url) as caches:
        for backend in backends:
            check(backend, caches[backend.alias], server)
        remote = {one.name: caches[one.alias] for one in backends if one.is_remote}
        local = {one.name: caches[one.alias] for one in backends if not one.is_remote}
        yield of_memory(plan, local, "int")
        yield of_memory(plan, local, "dict")
        yield of_server(plan, remote, server)
        yield many_of_server(plan, remote, server)
        for kind in SUBJECTS:
            yield decorated(plan, kind)


def check(backend: Backend, cache: Any, server: Server) -> None:
    """WrongAnswerError unless values come back as they were, and those of a server from there."""
    for kind, (_, value) in VALUES.items():
        cache.set(kind, value)
        expect(backend.name, kind, cache.get(kind), value)
    server.forget()
    expected = None if backend.is_remote else VALUES["dict"][1]
    expect(backend.name, "what the server has forgotten", cache.get("dict"), expected)


def of_memory(plan: Plan, caches: Mapping[str, Any], kind: str) -> Race:
    title, value = {**VALUES, "int": ("an int", 4_321)}[kind]
    for cache in caches.values():
        cache.set("one", value)
    samples = {name: timed("cache.get('one')", {"cache": cache}) for name, cache in caches.items()}
    return Race(f"alias/memory {kind}", f"{title}, memory", "us", microseconds(interleaved(samples, plan)))


def of_server(plan: Plan, caches: Mapping[str, Any], server: Server) -> Race:
    title, value = VALUES["dict"]
    samples = {}
    for place, (name, cache) in enumerate(caches.items()):
        cache.set(f"one-{place}", value)
        sample = timed("cache.get(key)", {"cache": cache, "key": f"one-{place}"})
        samples[name] = Watched(name, sample, server)
    return Race("alias/server", f"{title}, server", "us", microseconds(interleaved(samples, plan)))


def many_of_server(plan: Plan, caches: Mapping[str, Any], server: Server) -> Race:
    title, value = VALUES["dict"]
    samples = {}
    for place, (name, cache) in enumerate(caches.items()):
        keys = [f"many-{place}-{number}" for number in range(KEYS)]
        cache.set_many(dict.fromkeys(keys, value))
        sample = timed("cache.get_many(keys)", {"cache": cache, "keys": keys})
        samples[name] = Watched(name, sample, server, hits=KEYS)
    taken = microseconds(interleaved(samples, plan))
    return Race("alias/many", f"{title}, a hundred at once, server", "us", taken)


def decorated(plan: Plan, kind: str) -> Race:
    """A hit of a function that each library has decorated in its own way for Django."""
    title, subject, argument = SUBJECTS[kind]
    samples, left_out = {}, {}
    for name, way in WAYS.items():
        try:
            function = way()(list(subject.vary_on))(subject.function)
        except AbsentError as error:
            left_out[name] = str(error)
            continue
        expected = subject.function(argument)
        expect(name, "a call", function(argument), expected)
        before = computed[0]
        expect(name, "a hit", function(argument), expected)
        if computed[0] != before:
            raise WrongAnswerError(f"{name}: the second call was no hit")
        samples[name] = timed("function(x)", {"function": function, "x": argument})
    taken = microseconds(interleaved(samples, plan))
    return Race(f"decorated/{kind}", title, "us", taken, left_out)


def ours(**options: Any) -> Any:
    # Not at the top, as the scenarios of other suites do without Django.
    from quickcache.django import get_django_quickcache  # noqa: PLC0415

    return get_django_quickcache(**LIVES, **options)


def the_originals() -> Any:
    from benches.contenders.original import ORIGINAL  # noqa: PLC0415  may be absent

    flavour = importlib.import_module(f"{ORIGINAL.__name__}.django_quickcache")
    return flavour.get_django_quickcache(**LIVES)


WAYS: Mapping[str, Callable[[], Any]] = {
    "quickcache": lambda: ours(caches=("memory", "server")),
    "quickcache over Django's backends": ours,
    "quickcache 0.5.4 over Django's backends": the_originals,
}
