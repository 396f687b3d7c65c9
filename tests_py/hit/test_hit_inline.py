"""Attributes that are read where they lie in the object: whatever happens to the object's `__dict__`."""

import copy
import pickle
import random

import pytest

from quickcache import MemoryCache, get_quickcache

CACHE = get_quickcache(cache=MemoryCache())
NAMES = ["id", "a", "b", "c", "d"]


class Owner:
    """An object whose method says what its id is, once it was asked often enough to be hot."""

    def __init__(self, id_, **others):
        for name, value in others.items():
            setattr(self, name, value)
        self.id = id_

    @CACHE(["self.id"])
    def of_one(self):
        return self.id

    @CACHE(["self.id", "x"])
    def of_two(self, x=1):
        return self.id


class Tuple(tuple):
    """Its instances are of several sizes, and have attributes besides."""

    of_one = Owner.__dict__["of_one"]
    of_two = Owner.__dict__["of_two"]

    def __new__(cls, id_, **others):
        made = super().__new__(cls, range(len(others)))
        Owner.__init__(made, id_, **others)
        return made


class Slotted:
    """Its instances have slots and attributes besides."""

    __slots__ = ("__dict__", "kept")
    of_one = Owner.__dict__["of_one"]
    of_two = Owner.__dict__["of_two"]

    def __init__(self, id_, **others):
        self.kept = None
        Owner.__init__(self, id_, **others)


@pytest.fixture(params=[Owner, Tuple, Slotted])
def owner_class(request):
    """A class like these that nobody has seen yet."""
    return type(request.param.__name__, (request.param,), {})


def agrees(owner):
    """Whether all answers, cold and hot, are what the object has now."""
    return all({owner.id} == {owner.of_one(), owner.of_two(), owner.of_two(x=1)} for _ in range(4))


class TestAnAttribute:
    def test_among_others_of_the_same_value(self, owner_class):
        owner = owner_class(5, a=5, b=5)
        assert agrees(owner)
        owner.a, owner.b = 6, 7
        assert agrees(owner)
        owner.id = 8
        assert agrees(owner)

    def test_of_objects_that_got_theirs_in_another_order(self, owner_class):
        assert agrees(owner_class(1, a=2, b=3))
        assert agrees(owner_class(2, b=1, a=3))
        assert agrees(owner_class(3))

    def test_once_somebody_has_the_dict(self, owner_class):
        owner = owner_class(1, a=2)
        assert agrees(owner)
        attributes = vars(owner)
        assert agrees(owner)
        attributes["id"] = 3
        assert agrees(owner)
        owner.id = 4
        assert agrees(owner)
        del attributes, owner.a
        assert agrees(owner)

    def test_once_there_is_another_dict(self, owner_class):
        owner, other = owner_class(1, a=2), owner_class(3)
        assert agrees(owner)
        owner.__dict__ = {"a": 1, "id": 4}
        assert agrees(owner)
        owner.__dict__ = other.__dict__
        assert agrees(owner)
        other.id = 5
        assert agrees(owner)

    def test_that_was_deleted_and_made_anew(self, owner_class):
        owner = owner_class(1, a=2)
        assert agrees(owner)
        del owner.id
        with pytest.raises(AttributeError, match="id"):
            owner.of_one()
        owner.b = 3
        owner.id = 4
        assert agrees(owner)

    def test_of_an_object_with_more_than_have_a_place_in_it(self, owner_class):
        many = {f"attribute_{n}": n for n in range(60)}
        assert agrees(owner_class(1))
        assert agrees(owner_class(2, **many))
        owner = owner_class(3)
        assert agrees(owner)
        for name, value in many.items():
            setattr(owner, name, value)
            assert owner.id == owner.of_one()

    def test_of_a_copy(self, owner_class):
        owner = owner_class(1, a=2)
        assert agrees(owner)
        other = copy.copy(owner)
        other.id = 2
        assert (agrees(owner), agrees(other)) == (True, True)

    def test_of_an_object_out_of_a_pickle(self):
        owner = pickle.loads(pickle.dumps(Owner(1, a=2)))
        assert agrees(owner)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_in_whatever_order(owner_class, seed):
    chance = random.Random(seed)
    owners = [
        owner_class(n, **dict.fromkeys(chance.sample(NAMES[1:], chance.randrange(5)), n)) for n in range(3)
    ]
    kept = []

    def some():
        return chance.randrange(4)

    steps = [
        lambda owner: setattr(owner, chance.choice(NAMES), some()),
        lambda owner: owner.__dict__.pop(chance.choice(NAMES[1:]), None),
        lambda owner: owner.__dict__.update({chance.choice(NAMES): some()}),
        lambda owner: kept.append(owner.__dict__),
        lambda owner: setattr(owner, "__dict__", dict(owner.__dict__)),
        lambda owner: setattr(owner, f"more_{chance.randrange(40)}", some()),
        lambda owner: (delattr(owner, "id"), setattr(owner, "id", some())),
        lambda owner: kept.clear(),
    ]
    for _ in range(150):
        owner = chance.choice(owners)
        chance.choice(steps)(owner)
        assert [each.id for each in owners] == [each.of_one() for each in owners]
        assert owner.id == owner.of_two()
