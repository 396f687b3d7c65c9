"""The package's logger, and the default for `assert_function`."""

import logging

logger = logging.getLogger("quickcache")


def assert_function(assertion: object, message: str) -> None:
    """Warn on the logger `quickcache` when `assertion` is false: the default soft assertion."""
    if not assertion:
        logger.warning(message)


assert_function.__module__ = "quickcache.logger"  # the path of 0.5, by which it is pickled
