"""What the tests of Django share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # django_settings


@pytest.fixture
def prefix(request):
    """A text of this test alone."""
    return f"{hash(request.node.nodeid)}"
