"""The data of the shop: always the same, so that pages can be compared."""

import datetime as dt
import random

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from shop.models import Category, Discount, Line, Order, Product, Review

REGIONS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"]
KINDS = {
    "Green tea": ["Sencha", "Gyokuro", "Bancha", "Longjing", "Gunpowder"],
    "Black tea": ["Assam", "Darjeeling", "Keemun", "Ceylon", "Lapsang"],
    "Oolong": ["Tieguanyin", "Da Hong Pao", "Dong Ding", "Oriental Beauty", "Baozhong"],
    "Herbal": ["Rooibos", "Chamomile", "Mint", "Lemon Verbena", "Hibiscus"],
}
PICKINGS = ["of the first picking", "of the second picking", "from high gardens"]
CUSTOMERS, CLERKS = 8, 8
PASSWORD = "a cup of tea"  # noqa: S105  of users that are made up
ORDERS, REVIEWS = 4_000, 3_000
LAST_DAY = dt.date(2026, 6, 30)


@transaction.atomic
def fill() -> None:
    """Put all data into an empty database."""
    chance = random.Random(7)  # noqa: S311  no secrets
    products = fill_products(chance)
    users = fill_users()
    orders = Order.objects.bulk_create(
        Order(
            customer=chance.choice(users),
            region=chance.choice(REGIONS),
            placed=LAST_DAY - dt.timedelta(days=int(chance.triangular(0, 730, 0))),
        )
        for _ in range(ORDERS)
    )
    lines = []
    for order in orders:
        first = chance.randrange(len(products))
        # Who buys one tea is likely to buy its neighbours.
        near = [(first + step) % len(products) for step in (0, 1, 7)]
        some = {*near[: chance.randint(1, 3)], chance.randrange(len(products))}
        lines += [
            Line(order=order, product=products[tea], quantity=chance.randint(1, 4), cents=products[tea].cents)
            for tea in sorted(some)
        ]
    Line.objects.bulk_create(lines)


def fill_products(chance: random.Random) -> list[Product]:
    """60 teas in four categories, and what people thought of them."""
    products = []
    for kind, names in KINDS.items():
        category = Category.objects.create(name=kind, slug=kind.lower().replace(" ", "-"))
        products += [
            Product(
                category=category,
                name=f"{name} {picking}",
                about=f"{name}, {picking}: 100 g in a tin. {kind}, to be drunk in good company.",
                cents=chance.randrange(450, 2_950, 10),
            )
            for name in names
            for picking in PICKINGS
        ]
    products = Product.objects.bulk_create(products)
    good = {product.pk: chance.uniform(2, 5) for product in products}
    Review.objects.bulk_create(
        Review(product=product, stars=min(5, max(1, round(chance.gauss(good[product.pk], 1)))))
        for product in chance.choices(products, k=REVIEWS)
    )
    return list(products)


def fill_users() -> list[User]:
    """Customers, some of them regulars with a discount, and clerks, who see reports and set prices."""
    regulars = Group.objects.create(name="regulars")
    clerks = Group.objects.create(name="clerks")
    Discount.objects.create(group=regulars, category=Category.objects.get(slug="green-tea"), percent=10)
    Discount.objects.create(group=clerks, category=Category.objects.get(slug="oolong"), percent=25)
    clerks.permissions.set(Permission.objects.filter(codename__in=["change_product", "view_order"]))
    password = make_password(PASSWORD)  # once for all, since this is slow, as it has to be
    names = [f"customer{n}" for n in range(CUSTOMERS)] + [f"clerk{n}" for n in range(CLERKS)]
    users = User.objects.bulk_create(User(username=name, password=password) for name in names)
    for number, user in enumerate(User.objects.order_by("pk")):
        if number >= CUSTOMERS:
            user.groups.add(clerks)
        elif number % 2:
            user.groups.add(regulars)
    return list(users)
