"""Warnings that point at the user's own line."""

import os
import sys
import warnings

_PACKAGE = os.path.join(os.path.dirname(__file__), "")  # noqa: PTH118, PTH120  pathlib is slow to import


def warn(message: str, category: type[Warning]) -> None:
    """Warn of the nearest caller outside of this package."""
    stacklevel = 1
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        stacklevel += 1
    warnings.warn(message, category, stacklevel=stacklevel)
