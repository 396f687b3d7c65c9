"""The names of what a suite's results are written to."""


def stem(suite: str, of_memory: str) -> str:
    """A file's name without its ending, of the name that it has for caches in memory."""
    return of_memory if suite == "memory" else f"{of_memory}-{suite}"
