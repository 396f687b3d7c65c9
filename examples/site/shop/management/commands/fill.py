"""`manage.py fill`: makes the database, and puts the data of the shop into it."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from shop.fill import CLERKS, CUSTOMERS, PASSWORD, fill
from shop.models import Line, Product


class Command(BaseCommand):
    """The command."""

    help = "Make the database and fill it, if it is not filled yet."

    def handle(self, **_: Any) -> None:
        """Do so."""
        call_command("migrate", verbosity=0)
        if not Product.objects.exists():
            fill()
        teas, lines = Product.objects.count(), Line.objects.count()
        self.stdout.write(f"{teas} teas, {lines:,} lines of orders, {CUSTOMERS} customers, {CLERKS} clerks.")
        self.stdout.write(f"Sign in as customer0 or clerk0, password: {PASSWORD}")
