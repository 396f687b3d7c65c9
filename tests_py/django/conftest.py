"""Django's settings, which each test overrides as it needs them."""

import sys
from pathlib import Path

import django
import pytest
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parent))  # django_settings

if not settings.configured:
    in_memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(
        DATABASES={"default": in_memory, "other": in_memory},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    )
    django.setup()


@pytest.fixture
def prefix(request):
    """A text of this test alone."""
    return f"{hash(request.node.nodeid)}"
