"""MemoryCache against models: long random histories, and random values with sharing inside."""

import pickle
import random

import pytest

from quickcache import ManualClock, MemoryCache


class Model:
    """The same in the plainest way: a dict of (value, end of life), and a time."""

    def __init__(self):
        self.now = 0
        self.held = {}

    def alive(self):
        return {key: value for key, (value, end) in self.held.items() if end is None or self.now < end}

    def set(self, key, value, timeout):
        self.held[key] = (value, None if timeout is None else self.now + timeout)

    def delete(self, key):
        found = key in self.alive()
        self.held.pop(key, None)
        return found

    def touch(self, key, timeout):
        found = key in self.alive()
        if found:
            self.set(key, self.held[key][0], timeout)
        return found


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("policy", ["tinylfu", "lru"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_history_goes_as_in_a_dict(isolate, policy, seed):
    """Ten thousand operations on forty keys while time goes by: every answer is the model's."""
    draw = random.Random(seed)
    clock, model = ManualClock(), Model()
    cache = MemoryCache(max_entries=None, isolate=isolate, policy=policy, clock=clock)
    keys = [f"quickcache.f.0123456{i % 8}/n{i // 8}" for i in range(40)]
    for step in range(10_000):
        key, timeout = draw.choice(keys), draw.choice([None, 0, -1, 1, 5, 50])
        match draw.randrange(12):
            case 0 | 1 | 2:
                cache.set(key, [step], timeout=timeout)
                model.set(key, [step], timeout)
            case 3 | 4 | 5:
                assert model.alive().get(key) == cache.get(key)
            case 6:
                assert model.delete(key) == cache.delete(key)
            case 7:
                assert model.touch(key, timeout) == cache.touch(key, timeout)
            case 8:
                clock.advance(1)
                model.now += 1
            case 9:
                some = draw.sample(keys, 5)
                assert {k: v for k, v in model.alive().items() if k in some} == cache.get_many(some)
            case 10:
                assert (key in model.alive(), len(model.alive())) == (key in cache, len(cache))
            case 11 if step % 50 == 0:
                cache.clear()
                model.held.clear()
    assert model.alive() == cache.get_many(keys)
    assert len(model.alive()) == cache.stats()["entries"]


def value_with_sharing(draw):
    """A random value of plain containers, some of which stand in several places or contain themselves."""
    made = []
    for _ in range(draw.randrange(1, 25)):
        parts = [
            draw.choice([*made, *made, *made, 1, "text", None, (1, 2)]) for _ in range(draw.randrange(4))
        ]
        match draw.randrange(5):
            case 0 | 1:
                made.append(parts)
            case 2:
                made.append(dict(zip("abcd", parts, strict=False)))
            case 3:
                made.append(tuple(parts))
            case 4:
                made.append({1, "a", draw.randrange(5)})
    for container in made:  # and now in circles
        if draw.random() < 0.1:
            if isinstance(container, list):
                container.append(draw.choice(made))
            elif isinstance(container, dict):
                container["circle"] = draw.choice(made)
    return made[-1]


def shape(value, numbers=None):
    """What is identical within a value, as plain data: mutable containers by number, in order of meeting."""
    numbers = {} if numbers is None else numbers
    if not isinstance(value, (list, dict, set, tuple)) or not is_changeable(value, set()):
        return value
    if id(value) in numbers:
        return "seen", numbers[id(value)]
    numbers[id(value)] = len(numbers)
    items = (
        value.items()
        if isinstance(value, dict)
        else sorted(value, key=repr)
        if isinstance(value, set)
        else value
    )
    return type(value).__name__, [shape(item, numbers) for item in items]


def is_changeable(value, seen):
    """Whether there is a mutable container in the value."""
    if isinstance(value, tuple):
        if id(value) in seen:
            return False
        seen.add(id(value))
        return any(is_changeable(item, seen) for item in value)
    return isinstance(value, (list, dict, set))


def mutable_ids(value, seen):
    if isinstance(value, (list, dict, set, tuple)) and id(value) not in seen:
        if not isinstance(value, tuple):
            seen[id(value)] = value
        for item in list(value.values()) if isinstance(value, dict) else list(value):
            mutable_ids(item, seen)
    return seen


@pytest.mark.parametrize("seed", range(20))
def test_random_values_keep_their_shape_and_share_nothing_with_their_caller(seed):
    """By the way pickle would copy them, which keeps sharing and circles: fifty values a seed."""
    draw = random.Random(seed)
    cache = MemoryCache()
    for _ in range(50):
        value = value_with_sharing(draw)
        cache.set("k", value)
        first, second = cache.get("k"), cache.get("k")

        assert shape(pickle.loads(pickle.dumps(value))) == shape(first) == shape(second)
        assert 0 == len(
            mutable_ids(value, {}).keys() & mutable_ids(first, {}).keys()
            | mutable_ids(first, {}).keys() & mutable_ids(second, {}).keys()
        )
