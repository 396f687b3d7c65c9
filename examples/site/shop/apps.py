"""The application. Its receivers are connected once the models are there."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The shop."""

    name = "shop"

    def ready(self) -> None:
        """Connect the receivers that clear what has changed."""
        from shop import changes  # noqa: F401, PLC0415  which imports models
