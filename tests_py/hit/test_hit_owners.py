"""Methods that vary on what their objects have, however they have it, and once they have it otherwise."""

import pytest

from quickcache import MemoryCache, get_quickcache

COUNTED = []


def method():
    """A decorated method that varies on `self.id` and tells how often any was computed."""

    @get_quickcache(cache=MemoryCache())(["self.id", "x"])
    def compute(self, x=0):
        COUNTED.append(x)
        return len(COUNTED)

    return compute


class Value:
    """A data descriptor."""

    def __get__(self, instance, owner=None):
        return instance.hidden

    def __set__(self, instance, value):
        instance.hidden = value


class Computed:
    """A descriptor without __set__: an instance's own attribute goes before it."""

    def __get__(self, instance, owner=None):
        return instance.hidden


def plain_attribute():
    class Owner:
        def __init__(self, id_):
            self.id = id_

        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "id", id_)


def a_property():
    class Owner:
        def __init__(self, id_):
            self.hidden = id_

        id = property(lambda self: self.hidden)
        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "hidden", id_)


def a_slot():
    class Owner:
        __slots__ = ("id",)

        def __init__(self, id_):
            self.id = id_

        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "id", id_)


def by_getattr():
    class Owner:
        def __init__(self, id_):
            self.hidden = id_

        def __getattr__(self, name):
            if name == "id":
                return self.hidden
            raise AttributeError(name)

        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "hidden", id_)


def by_getattribute():
    class Owner:
        def __init__(self, id_):
            self.id = ("wrong", id_)

        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            return found[1] if name == "id" else found

        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "id", ("wrong", id_))


def a_descriptor():
    class Owner:
        def __init__(self, id_):
            self.id = id_

        id = Value()
        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "id", id_)


def a_descriptor_without_set():
    class Owner:
        def __init__(self, id_):
            self.hidden = id_

        id = Computed()
        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "hidden", id_)


def a_key_of_its_dict():
    class Owner:
        def __init__(self, id_):
            self.__dict__ = {"id": id_}

        compute = method()

    return Owner, lambda owner, id_: vars(owner).update(id=id_)


def a_dict_in_the_place_of_its_own():
    class Owner:
        def __init__(self, id_):
            self.id = id_

        compute = method()

    return Owner, lambda owner, id_: setattr(owner, "__dict__", {"id": id_})


KINDS = [
    plain_attribute,
    a_property,
    a_slot,
    by_getattr,
    by_getattribute,
    a_descriptor,
    a_descriptor_without_set,
    a_key_of_its_dict,
    a_dict_in_the_place_of_its_own,
]


@pytest.mark.parametrize("kind", KINDS)
class TestTheId:
    def test_tells_objects_apart(self, kind, hot):
        owner_class, _ = kind()
        one, other, same = owner_class(1), owner_class(2), owner_class(1)
        values = [hot(owner.compute) for owner in (one, other, same)]

        assert values[0] == values[2] != values[1]
        assert values == [owner.compute() for owner in (one, other, same)]

    def test_that_changes_counts_at_once(self, kind, hot):
        owner_class, change = kind()
        owner = owner_class(1)
        first = hot(owner.compute)
        change(owner, 2)
        second = hot(owner.compute)
        change(owner, 1)

        assert (True, first) == (first != second, owner.compute())

    def test_is_asked_of_whichever_object_is_given(self, kind, hot):
        owner_class, _ = kind()
        one, other = owner_class(1), owner_class(2)
        first, second = hot(owner_class.compute, one), hot(owner_class.compute, other)

        assert [first, second, first] == [owner_class.compute(each) for each in (one, other, one)]
        assert [first, second] == [owner_class.compute(self=each) for each in (one, other)]


class TestAClassThatChanges:
    def test_so_that_id_becomes_a_property(self, hot):
        owner_class, _ = plain_attribute()
        owner = owner_class(1)
        first = hot(owner.compute)
        owner_class.id = property(lambda self: "other")
        second = hot(owner.compute)
        del owner_class.id

        assert (True, first) == (second != first, owner.compute())

    def test_so_that_id_becomes_a_descriptor_that_says_no(self, hot):
        owner_class, _ = plain_attribute()
        owner = owner_class(1)
        hot(owner.compute)

        def refuse(self):
            raise AttributeError("gone")

        owner_class.id = property(refuse)
        with pytest.raises(AttributeError, match="gone"):
            owner.compute()

    def test_so_that_it_has_a_getattribute_of_its_own(self, hot):
        owner_class, _ = plain_attribute()
        owner = owner_class(1)
        first = hot(owner.compute)
        owner_class.__getattribute__ = lambda self, name: (
            "other" if name == "id" else object.__getattribute__(self, name)
        )
        second = hot(owner.compute)
        del owner_class.__getattribute__

        assert (True, first) == (second != first, owner.compute())

    def test_in_a_base(self, hot):
        class Base:
            id = 1

        class Owner(Base):
            compute = method()

        owner = Owner()
        first = hot(owner.compute)
        Base.id = 2
        second = hot(owner.compute)
        Owner.id = 3
        third = hot(owner.compute)
        owner.id = 1

        assert (3, first) == (len({first, second, third}), owner.compute())

    def test_by_another_base(self, hot):
        class One:
            id = 1

        class Two:
            id = 2

        class Owner(One):
            compute = method()

        owner = Owner()
        first = hot(owner.compute)
        Owner.__bases__ = (Two,)
        second = hot(owner.compute)
        Owner.__bases__ = (One,)

        assert (True, first) == (second != first, owner.compute())

    def test_by_another_class_of_the_instance(self, hot):
        owner_class, _ = plain_attribute()

        class Other(owner_class):
            id = property(lambda self: "other")

        owner = owner_class(1)
        first = hot(owner.compute)
        owner.__class__ = Other
        second = hot(owner.compute)
        owner.__class__ = owner_class

        assert (True, first) == (second != first, owner.compute())

    def test_a_slot_that_was_emptied_is_an_attribute_error(self, hot):
        owner_class, _ = a_slot()
        owner = owner_class(1)
        first = hot(owner.compute)
        del owner.id
        with pytest.raises(AttributeError):
            owner.compute()
        owner.id = 1
        assert first == owner.compute()


class TestOwners:
    def test_without_the_attribute_are_an_attribute_error_hot_and_cold(self, hot):
        owner_class, _ = plain_attribute()
        hot(owner_class(1).compute)
        told = []
        for _ in range(3):
            with pytest.raises(AttributeError, match="id") as raised:
                owner_class.compute(object())
            told.append(str(raised.value))
        assert [told[0]] * 3 == told

    def test_deep_within_one_another_are_followed_each_time(self, hot):
        class Node:
            pass

        @get_quickcache(cache=MemoryCache())(["node.a.b.c"])
        def cached(node):
            return node.a.b.c

        node, node.a, inner, other = Node(), Node(), Node(), Node()
        node.a.b, inner.c, other.c = inner, 1, 2
        assert 1 == hot(cached, node)
        node.a.b = other
        assert 2 == hot(cached, node)
        other.c = 3
        assert 3 == hot(cached, node)
        node.a.b = inner
        assert 1 == cached(node)

    def test_may_be_classes_and_modules(self, hot):
        import types

        @get_quickcache(cache=MemoryCache())(["thing.id"])
        def cached(thing):
            return thing.id

        module, kind = types.ModuleType("module"), type("Kind", (), {"id": 2})
        module.id = 1
        assert [1, 2] == [hot(cached, module), hot(cached, kind)]
        module.id, kind.id = 3, 4
        assert [3, 4] == [hot(cached, module), hot(cached, kind)]


class TestStackedDecorators:
    def test_classmethod_and_staticmethod(self, hot):
        quickcache = get_quickcache(cache=MemoryCache())

        class Owner:
            number = 1

            @classmethod
            @quickcache(["cls.number", "x"])
            def of_class(cls, x):
                return cls.number, x

            @staticmethod
            @quickcache(["x"])
            def of_none(x):
                return x

        class Other(Owner):
            number = 2

        calls = [Owner.of_class, Other.of_class, Owner().of_class, Other().of_class]
        assert [(1, 5), (2, 5), (1, 5), (2, 5)] == [hot(call, 5) for call in calls]
        assert [(1, 6), (2, 6), (1, 6), (2, 6)] == [hot(call, x=6) for call in calls]
        assert [7, 7, 8] == [hot(Owner.of_none, 7), hot(Owner().of_none, 7), hot(Owner.of_none, x=8)]

    def test_property_and_special_methods(self, hot):
        quickcache = get_quickcache(cache=MemoryCache())

        class Owner:
            def __init__(self, id_):
                self.id = id_

            @property
            @quickcache(["self.id"])
            def twice(self):
                return 2 * self.id

            @quickcache(["self.id", "key"])
            def __getitem__(self, key):
                return self.id, key

            @quickcache(["self.id", "x"])
            def __call__(self, x):
                return "call", self.id, x

            @quickcache(["self.id"])
            def __len__(self):
                return self.id

            @quickcache(["self.id", "other"])
            def __add__(self, other):
                return self.id + other

            @quickcache(["self.id"])
            def __bool__(self):
                return self.id > 1

        one, two = Owner(1), Owner(2)
        for _ in range(2_000):  # the interpreter specialises what it does often
            assert ((2, 4), ((1, "k"), (2, "k")), (("call", 1, 5), ("call", 2, 5))) == (
                (one.twice, two.twice),
                (one["k"], two["k"]),
                (one(5), two(5)),
            )
            assert (1, 2, 11, 12) == (len(one), len(two), one + 10, two + 10)
            assert (False, True) == (bool(one), bool(two))

    def test_bound_methods_kept_and_shared(self, hot):
        owner_class, change = plain_attribute()
        one, other = owner_class(1), owner_class(2)
        bound = [one.compute, other.compute]
        values = [hot(each) for each in bound]
        change(one, 2)

        assert [values[1], values[1]] == [each() for each in bound]
