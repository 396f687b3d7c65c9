"""Hits at a server: by one thread and by eight, through TCP and a unix socket, of values of several sizes."""

from collections.abc import Iterator
from dataclasses import replace

from benches.connecting import VALUES, Connected, Watched, connected
from benches.contender import Remote, tagged
from benches.loop import by_threads, timed
from benches.result import Race
from benches.server import Server, serving
from benches.timing import Plan, interleaved

THREADS = 8
# Long beside the 5 ms after which Python lets another thread run.
SECONDS, QUICK_SECONDS = 0.2, 0.1


def races(plan: Plan, contenders: list[Remote]) -> Iterator[Race]:
    chosen = tagged(contenders, "target") if plan.quick else contenders
    with serving() as server:
        for at in list(server.addresses)[: 1 if plan.quick else None]:
            with connected(chosen, server, at) as found:
                for kind in list(VALUES)[: 1 if plan.quick else None]:
                    yield by_one(plan, found, server, kind, at)
            with connected(tagged(chosen, "threads"), server, at) as found:
                found.left_out |= {one.name: "threads cannot share it" for one in awaited(chosen)}
                for kind in list(VALUES)[: 1 if plan.quick else None]:
                    yield from by_eight(plan, found, server, kind, at)


def awaited(contenders: list[Remote]) -> list[Remote]:
    return [one for one in contenders if "threads" not in one.tags]


def by_one(plan: Plan, found: Connected, server: Server, kind: str, at: str) -> Race:
    title, value = VALUES[kind]
    samples = {}
    for place, (name, client) in enumerate(found.clients.items()):
        key = f"one:{place}"
        client.put(key, value, None)
        sample = timed("get(key)", {"get": client.get, "key": key}, client.complete)
        samples[name] = Watched(name, sample, server)
    taken = interleaved(samples, plan)
    return Race(f"get/{kind} {at}", f"{title}, {at}", "us", microseconds(taken), found.left_out)


def by_eight(plan: Plan, found: Connected, server: Server, kind: str, at: str) -> Iterator[Race]:
    """Each thread asks for a key of its own."""
    title, value = VALUES[kind]
    samples = {}
    for place, (name, client) in enumerate(found.clients.items()):
        names = [{"get": client.get, "key": f"eight:{place}:{thread}"} for thread in range(THREADS)]
        for one in names:
            client.put(str(one["key"]), value, None)
        samples[name] = Watched(name, by_threads("get(key)", names), server)
    taken = interleaved(samples, replace(plan, seconds=QUICK_SECONDS if plan.quick else SECONDS))
    yield Race(f"threaded/{kind} {at}", f"{title}, {at}", "us", microseconds(taken), found.left_out)
    if kind == "dict":
        # The last of them; those before were for calibration.
        reads = {name: one.commands_per_read[-plan.rounds :] for name, one in samples.items()}
        yield Race(f"reads/{at}", at, "commands", reads, found.left_out)


def microseconds(taken: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [one / 1000 for one in rounds] for name, rounds in taken.items()}
