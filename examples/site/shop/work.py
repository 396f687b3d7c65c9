"""What the pages show, asked of the database and worked out anew each time. Nothing here knows a cache."""

from itertools import product as pairs
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Avg, Count, F, Sum
from django.db.models.functions import TruncMonth

from shop.models import Category, Discount, Line, Product
from shop.watch import computing

# For forecasts: how much the newest month counts for the level, and for the trend.
WEIGHTS = [(level / 15, trend / 15) for level, trend in pairs(range(1, 15), range(1, 15))]


@computing
def permissions(user: User) -> list[str]:
    """What a user may do."""
    return sorted(user.get_all_permissions())


@computing
def discounts(user: User) -> dict[str, int]:
    """The percent that a user gets off, by category."""
    found = Discount.objects.filter(group__user=user.pk).order_by("percent")
    return dict(found.values_list("category__slug", "percent"))  # the best one


@computing
def categories() -> list[dict[str, Any]]:
    """All kinds of tea."""
    return list(Category.objects.order_by("name").values("name", "slug"))


@computing
def catalogue(category: str) -> list[int]:
    """The teas of a category, the best first."""
    found = Product.objects.filter(category__slug=category).annotate(mean=Avg("review__stars"))
    return list(found.order_by("-mean", "name").values_list("pk", flat=True))


@computing
def facts(product_id: int) -> dict[str, Any]:
    """What is known of a tea. Product.DoesNotExist if there is none."""
    found = Product.objects.annotate(stars=Avg("review__stars"), reviews=Count("review"))
    one = found.select_related("category").get(pk=product_id)
    return {
        "id": one.pk,
        "name": one.name,
        "about": one.about,
        "cents": one.cents,
        "category": one.category.slug,
        "category_name": one.category.name,
        "stars": round(one.stars or 0, 1),
        "reviews": one.reviews,
    }


@computing
def bought_with(product_id: int) -> list[int]:
    """The teas that are in one order with this one more often than chance has it, the most striking first."""
    orders = Line.objects.filter(product=product_id).values("order")
    together = (
        Line.objects.filter(order__in=orders)
        .exclude(product=product_id)
        .values("product")
        .annotate(times=Count("order", distinct=True))
    )
    sold = dict(Line.objects.values_list("product").annotate(Count("order", distinct=True)))
    lift = {row["product"]: row["times"] / sold[row["product"]] for row in together}
    return sorted(lift, key=lambda other: (-lift[other], other))[:5]


@computing
def best_sellers() -> list[dict[str, Any]]:
    """The five teas of which most was sold."""
    sold = Line.objects.values("product_id", "product__name").annotate(packets=Sum("quantity"))
    return [
        {"id": row["product_id"], "name": row["product__name"], "packets": row["packets"]}
        for row in sold.order_by("-packets", "product_id")[:5]
    ]


@computing
def sales(region: str) -> list[dict[str, Any]]:
    """What a region bought of each category in the last months, and what it will buy next month.

    Each tea has a forecast of its own: this is what takes its time.
    """
    rows = (
        Line.objects.filter(order__region=region)
        .annotate(month=TruncMonth("order__placed"))
        .values("month", "product", "product__category__name")
        .annotate(cents=Sum(F("quantity") * F("cents")))
        .order_by("product__category__name", "product")
    )
    months = sorted({row["month"] for row in rows})
    categories: dict[str, dict[int, list[int]]] = {}
    for row in rows:
        teas = categories.setdefault(row["product__category__name"], {})
        teas.setdefault(row["product"], [0] * len(months))[months.index(row["month"])] = row["cents"]
    report = []
    for name, teas in categories.items():
        cents = [sum(month) for month in zip(*teas.values(), strict=True)]
        report.append(
            {
                "category": name,
                "months": [one // 100 for one in cents[-6:]],
                "year": sum(cents[-12:]) // 100,
                "next": round(sum(forecast(tea) for tea in teas.values()) / 100),
            }
        )
    return report


def forecast(values: list[int]) -> float:
    """The next value, by Holt's smoothing with the weights that would have foreseen the others best."""

    def smoothed(of_level: float, of_trend: float) -> tuple[float, float]:
        level, trend, error = float(values[0]), 0.0, 0.0
        for value in values[1:]:
            foreseen = level + trend
            error += (value - foreseen) ** 2
            before, level = level, of_level * value + (1 - of_level) * foreseen
            trend = of_trend * (level - before) + (1 - of_trend) * trend
        return error, level + trend

    return min(smoothed(*weights) for weights in WEIGHTS)[1]
