"""Model instances as arguments: by the label of their model, their primary key and their database."""

from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models
from django.utils.functional import SimpleLazyObject

from quickcache import MemoryCache, get_quickcache

calls = []


@get_quickcache(cache=MemoryCache())(["user"])
def permissions(user):
    calls.append(user.pk)
    return [user.pk]


def saved(model=User, pk=1, db="default", **fields):
    """An instance as a query has it."""
    return model.from_db(db, ["id", *fields], [pk, *fields.values()])


def key(value):
    return permissions.get_cache_key(value)


class Token(models.Model):  # noqa: DJ008  nobody reads it
    id = models.UUIDField(primary_key=True, default=lambda: UUID(int=7))

    class Meta:
        app_label = "auth"


class Staff(User):
    class Meta:
        proxy = True
        app_label = "auth"


class Own(User):
    class Meta:
        proxy = True
        app_label = "auth"

    def __quickcache_key__(self):
        return self.username


def test_a_row_is_one_argument_whatever_its_fields():
    assert key(saved()) == key(saved(username="other"))
    assert key(saved()).startswith(f"quickcache.{permissions.prefix}/Q")
    calls.clear()
    assert [1] == permissions(saved()) == permissions(saved(username="other"))
    permissions.clear(saved())
    permissions(saved())
    assert [1, 1] == calls


def test_others_have_keys_of_their_own():
    different = [saved(), saved(pk=2), saved(db="other"), saved(Group), saved(ContentType)]
    different += [saved(Staff), AnonymousUser(), (1, "default"), 1, saved(Own, username="a")]
    assert len(different) == len({key(value) for value in different})


def test_lazy_ones_are_what_they_will_be():
    assert key(saved()) == key(SimpleLazyObject(saved))
    assert key(AnonymousUser()) == key(SimpleLazyObject(AnonymousUser))
    own = saved(Own, username="a")
    assert key(own) == key(SimpleLazyObject(lambda: own))


def test_a_key_of_ones_own_comes_first():
    assert key(saved(Own, 1, username="a")) == key(saved(Own, 2, username="a")) == key(Own(username="a"))


def test_keys_of_any_type_will_do():
    token = saved(Token, UUID(int=7))
    assert key(token) == key(saved(Token, UUID(int=7))) != key(saved(Token, UUID(int=8)))


def test_they_count_as_a_query_has_them():
    """Who saves a form may have given them as texts."""
    assert key(saved(Token, UUID(int=7))) == key(saved(Token, str(UUID(int=7))))
    assert key(saved(User, 1)) == key(saved(User, "1"))


def test_within_containers_too():
    assert key([saved(), {"by": saved(pk=2)}]) == key((saved(), {"by": saved(pk=2)}))


@pytest.mark.parametrize("instance", [User(), User(username="a", pk=5), Token()], ids=repr)
def test_what_is_not_saved_is_refused(instance):
    with pytest.raises(ValueError, match=r"of auth\.\w+ that is not saved .* Save it .*\['\w+\.name'\]"):
        permissions(instance)


def test_what_is_saved_can_be_one_and_what_is_deleted_no_more():
    with connections["default"].schema_editor() as editor:
        editor.create_model(Token)
    token = Token.objects.create()
    assert key(token) == key(Token.objects.get())
    token.delete()
    with pytest.raises(ValueError, match=r"of auth\.Token that was deleted .* Clear before it is deleted"):
        key(token)
    with connections["default"].schema_editor() as editor:
        editor.delete_model(Token)
