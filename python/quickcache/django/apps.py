"""The app: put "quickcache.django" into INSTALLED_APPS to have its checks and its command."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from .checks import check_caches, check_servers


class QuickCacheConfig(AppConfig):  # type: ignore[misc]  # Django has no types
    """System checks, and `manage.py quickcache`. There are no models."""

    name = "quickcache.django"
    label = "quickcache"
    verbose_name = "quickcache"

    def ready(self) -> None:
        """Register the checks."""
        # Also by a tag of its own: Django's check of file-based caches makes all caches, and ends with the
        # exception of one that cannot be made, whatever other checks would say of it.
        register(check_caches, Tags.caches, "quickcache")
        register(check_servers, Tags.caches, "quickcache", deploy=True)
