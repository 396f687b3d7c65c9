"""A plugin for pytest that leaves tests out by their whole names: --deselect goes by how these begin."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    left_out = set(os.environ["ECOSYSTEM_LEFT_OUT"].split())
    names = [item.nodeid.partition("[")[0] for item in items]
    if unknown := left_out.difference(names):
        raise pytest.UsageError(f"packages.toml leaves out what is not there: {', '.join(sorted(unknown))}")
    items[:] = [item for item, name in zip(items, names, strict=True) if name not in left_out]
