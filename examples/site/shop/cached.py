"""The functions of work.py, cached: each names what its value depends on."""

from typing import Any

from django.contrib.auth.models import User

from shop import work
from shop.watch import watched

try:
    from quickcache.django import get_django_quickcache
except ImportError:  # quickcache 0.5.4, which `make demo-django` compares with
    from quickcache.django_quickcache import get_django_quickcache

MINUTES = 60
# In `default` for `timeout`, and in the memory of each worker, `locmem`, for `memoize_timeout` seconds.
quickcache = get_django_quickcache(timeout=10 * MINUTES, memoize_timeout=30)


@watched
@quickcache(["user.id"])
def permissions(user: User) -> list[str]:
    """What a user may do."""
    return work.permissions(user)


@watched
@quickcache(["user.id"])
def discounts(user: User) -> dict[str, int]:
    """The percent that a user gets off, by category."""
    return work.discounts(user)


@watched
@quickcache([])
def categories() -> list[dict[str, Any]]:
    """All kinds of tea."""
    return work.categories()


@watched
@quickcache(["category"])
def catalogue(category: str) -> list[int]:
    """The teas of a category, the best first."""
    return work.catalogue(category)


@watched
@quickcache(["product_id"])
def facts(product_id: int) -> dict[str, Any]:
    """What is known of a tea."""
    return work.facts(product_id)


@watched
@quickcache(["product_id"])
def bought_with(product_id: int) -> list[int]:
    """The teas that are bought together with this one."""
    return work.bought_with(product_id)


@watched
@quickcache(["region"], timeout=60 * MINUTES, memoize_timeout=60)
def sales(region: str) -> list[dict[str, Any]]:
    """The report of a region: slow, and much looked at."""
    return work.sales(region)
