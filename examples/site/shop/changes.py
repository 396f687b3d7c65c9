"""What is cleared when data change."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.cache.utils import make_template_fragment_key
from django.db import transaction
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import receiver

from shop import cached
from shop.models import Discount, Order, Product


@receiver(post_save, sender=Product)
def product_changed(instance: Product, **_: Any) -> None:
    """Its name and price are on pages, and its name among the best sellers."""
    cached.facts.clear(instance.pk)
    cached.catalogue.clear(instance.category.slug)
    cache.delete(make_template_fragment_key("best-sellers"))


@receiver(post_save, sender=Order)
def order_placed(instance: Order, **_: Any) -> None:
    """The report of its region is another one, once its lines are there too."""
    transaction.on_commit(lambda: cached.sales.clear(instance.region))


@receiver(m2m_changed, sender=User.groups.through)
def groups_changed(instance: User | Group, pk_set: set[int] | None, *, reverse: bool, **_: Any) -> None:
    """A user's rights and discounts come with the groups."""
    for user in User.objects.filter(pk__in=pk_set or ()) if reverse else [instance]:
        cached.permissions.clear(user)
        cached.discounts.clear(user)


@receiver(post_save, sender=Discount)
def discount_changed(instance: Discount, **_: Any) -> None:
    """All members of its group have it."""
    for user in instance.group.user_set.all():
        cached.discounts.clear(user)
