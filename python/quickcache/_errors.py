"""The exceptions and warnings of the package: one root for each."""


class QuickCacheError(Exception):
    """The root of every error that quickcache itself raises."""

    __module__ = "quickcache"


class UncacheableValueError(QuickCacheError, TypeError):
    """A value that a tier cannot keep apart from its caller, since it cannot be pickled."""

    __module__ = "quickcache"


class CacheUnavailableError(QuickCacheError):
    """A cache server did not do what was asked of it: raised by a RedisCache with `on_error='raise'`."""

    __module__ = "quickcache"

    refused = False
    """Whether the server was reached, and refused: the login, for want of a right, or for want of memory."""


class KeyCollisionWarning(UserWarning):
    """Two functions of different modules or names share their cache keys."""

    __module__ = "quickcache"


class NothingCachedWarning(UserWarning):
    """A decorator was given timeouts with which no tier keeps anything."""

    __module__ = "quickcache"


class ReplicaReadsWarning(UserWarning):
    """A cache reads from replicas, which may lag behind: a clear can be overtaken by an old value."""

    __module__ = "quickcache"
