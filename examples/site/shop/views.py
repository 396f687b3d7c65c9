"""The pages."""

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from shop import cached, watch, work
from shop.fill import REGIONS
from shop.models import Line, Order, Product

Page = Callable[..., HttpResponse]


def for_all_pages(request: HttpRequest) -> dict[str, Any]:
    """What the head and the side of each page show."""
    return {
        "categories": cached.categories,
        "permissions": cached.permissions(request.user),
        # Called only if the fragment is not in the cache.
        "best_sellers": work.best_sellers,
        "first_region": REGIONS[0],
    }


def permission_required(permission: str) -> Callable[[Page], Page]:
    """Only for users with that permission, by what is cached of each."""

    def decorate(page: Page) -> Page:
        @wraps(page)
        def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
            if permission not in cached.permissions(request.user):
                raise PermissionDenied
            return page(request, **arguments)

        return login_required(guarded)  # type: ignore[no-any-return]

    return decorate


def offer(request: HttpRequest, product_id: int) -> dict[str, Any]:
    """A tea, at the price that it has for this user."""
    try:
        tea = cached.facts(product_id)
    except Product.DoesNotExist:
        raise Http404 from None
    percent = cached.discounts(request.user).get(tea["category"], 0)
    cents = tea["cents"] * (100 - percent) // 100
    return {**tea, "percent": percent, "full": euros(tea["cents"]), "price": euros(cents), "to_pay": cents}


def euros(cents: int) -> str:
    """As prices are written."""
    return f"{cents // 100}.{cents % 100:02} €"


def front(request: HttpRequest) -> HttpResponse:
    """The best of each category."""
    shelves = [
        {**one, "teas": [offer(request, tea) for tea in cached.catalogue(one["slug"])[:4]]}
        for one in cached.categories()
    ]
    return render(request, "shop/front.html", {"shelves": shelves})


def category(request: HttpRequest, category: str) -> HttpResponse:
    """All teas of a category."""
    teas = [offer(request, tea) for tea in cached.catalogue(category)]
    if not teas:
        raise Http404
    return render(request, "shop/category.html", {"teas": teas, "name": teas[0]["category_name"]})


def product(request: HttpRequest, product_id: int) -> HttpResponse:
    """One tea, and what others bought with it."""
    tea = offer(request, product_id)
    others = [offer(request, other) for other in cached.bought_with(product_id)]
    return render(request, "shop/product.html", {"tea": tea, "others": others})


@require_POST
@permission_required("shop.change_product")
def save_product(request: HttpRequest, product_id: int) -> HttpResponse:
    """Give a tea a new price, or save it as it is."""
    tea = get_object_or_404(Product.objects.select_related("category"), pk=product_id)
    try:
        tea.cents = int(request.POST.get("cents", tea.cents))
        tea.save()
    except ValueError:
        return HttpResponseBadRequest("cents is a number")
    return redirect("product", product_id=product_id)


def cart(request: HttpRequest) -> HttpResponse:
    """What is in the cart, which is in the session. A POST says how many of a tea are to be in it."""
    wanted: dict[str, int] = request.session.get("cart", {})
    if request.method == "POST":
        try:
            wanted = put(wanted, int(request.POST["product"]), int(request.POST["quantity"]))
        except (KeyError, ValueError):
            return HttpResponseBadRequest("product and quantity are numbers")
        request.session["cart"] = wanted
        return redirect("cart")
    lines = [{**offer(request, int(tea)), "quantity": wanted[tea]} for tea in sorted(wanted, key=int)]
    total = euros(sum(line["to_pay"] * line["quantity"] for line in lines))
    return render(request, "shop/cart.html", {"lines": lines, "total": total})


def put(wanted: dict[str, int], product_id: int, quantity: int) -> dict[str, int]:
    """A cart in which there are so many of a tea."""
    rest = {tea: number for tea, number in wanted.items() if tea != str(product_id)}
    return {**rest, str(product_id): quantity} if quantity > 0 else rest


@require_POST
@login_required
def order(request: HttpRequest) -> HttpResponse:
    """Buy what is in the cart."""
    wanted: dict[str, int] = request.session.get("cart", {})
    teas = [offer(request, int(tea)) for tea in wanted]
    with transaction.atomic():
        placed = Order.objects.create(
            customer=request.user, region=REGIONS[0], placed=dt.datetime.now(dt.UTC).date()
        )
        Line.objects.bulk_create(
            Line(order=placed, product_id=tea["id"], quantity=wanted[str(tea["id"])], cents=tea["to_pay"])
            for tea in teas
        )
    request.session["cart"] = {}
    return redirect("front")


@permission_required("shop.view_order")
def report(request: HttpRequest, region: str) -> HttpResponse:
    """What a region buys."""
    if region not in REGIONS:
        raise Http404
    sales = cached.sales(region)
    return render(request, "shop/report.html", {"region": region, "regions": REGIONS, "sales": sales})


def cache(request: HttpRequest) -> HttpResponse:
    """A chart of what the caches do."""
    return render(request, "shop/cache.html")


def cache_counts(_: HttpRequest) -> JsonResponse:
    """The numbers of the chart."""
    return JsonResponse(watch.all_counts())
