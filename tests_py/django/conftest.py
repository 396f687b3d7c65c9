"""Django's settings, which each test overrides as it needs them."""

from django.conf import settings

if not settings.configured:
    settings.configure()
