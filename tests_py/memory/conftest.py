"""Programs of their own, for what could hang or crash the process that runs the tests."""

import pytest


@pytest.fixture
def run_apart(run_program):
    """Run a program with some arguments: what it prints."""

    def run(program: str, *arguments: str) -> str:
        return run_program(program, arguments=arguments)

    return run
