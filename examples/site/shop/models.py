"""What is sold, to whom, and at which discount."""

from django.contrib.auth.models import Group, User
from django.db import models


class Category(models.Model):
    """A kind of tea."""

    name = models.CharField(max_length=40)
    slug = models.SlugField(unique=True)

    def __str__(self) -> str:
        return str(self.name)


class Product(models.Model):
    """A tea."""

    category = models.ForeignKey(Category, models.PROTECT)
    name = models.CharField(max_length=80)
    about = models.TextField()
    cents = models.PositiveIntegerField()

    def __str__(self) -> str:
        return str(self.name)


class Review(models.Model):
    """What somebody thought of a tea: 1 to 5 stars."""

    product = models.ForeignKey(Product, models.CASCADE)
    stars = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.stars} stars for {self.product}"


class Discount(models.Model):
    """Members of a group get a category for less."""

    group = models.ForeignKey(Group, models.CASCADE)
    category = models.ForeignKey(Category, models.CASCADE)
    percent = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.category} for {self.group}: {self.percent} % off"


class Order(models.Model):
    """What somebody bought at once."""

    customer = models.ForeignKey(User, models.PROTECT, null=True)
    region = models.SlugField()
    placed = models.DateField()

    def __str__(self) -> str:
        return f"{self.placed}, {self.region}"


class Line(models.Model):
    """One tea of an order."""

    order = models.ForeignKey(Order, models.CASCADE)
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveSmallIntegerField()
    cents = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.quantity} {self.product}"
