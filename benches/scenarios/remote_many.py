"""A hundred values at once."""

from collections.abc import Iterator

from benches.connecting import VALUES, Watched, connected
from benches.contender import Remote, tagged
from benches.loop import timed
from benches.result import Race
from benches.scenarios.remote_hits import microseconds
from benches.server import serving
from benches.timing import Plan, interleaved

KEYS = 100


def races(plan: Plan, contenders: list[Remote]) -> Iterator[Race]:
    chosen = tagged(contenders, "target") if plan.quick else contenders
    _, value = VALUES["dict"]
    with serving() as server:
        for at in list(server.addresses)[: 1 if plan.quick else None]:
            with connected(chosen, server, at) as found:
                samples = {}
                for place, (name, client) in enumerate(found.clients.items()):
                    keys = [f"many:{place}:{number}" for number in range(KEYS)]
                    for key in keys:
                        client.put(key, value, None)
                    names = {"get_many": client.get_many, "keys": keys}
                    sample = timed("get_many(keys)", names, client.complete)
                    samples[name] = Watched(name, sample, server, hits=KEYS)
                taken = microseconds(interleaved(samples, plan))
            yield Race(f"many/{at}", at, "us", taken, found.left_out)
