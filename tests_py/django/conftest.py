"""Django's settings, which each test overrides as it needs them."""

import sys
from pathlib import Path

import pytest
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parent))  # django_settings

if not settings.configured:
    settings.configure()


@pytest.fixture
def prefix(request):
    """A text of this test alone."""
    return f"{hash(request.node.nodeid)}"
