"""What Django's tests have in the place of LocMemCache and RedisCache: the backend that is to be tested.

$CONFORMANCE_BACKEND names it, and $CONFORMANCE_SERVER is the URL of a server, without a database.
"""

import os
from typing import Any

import quickcache.django

BACKEND = os.environ["CONFORMANCE_BACKEND"]
SERVER = os.environ.get("CONFORMANCE_SERVER")

backend: Any = getattr(quickcache.django, BACKEND)
LocMemCache: Any = backend

# A LOCATION of LocMemCache is any word. On the server each has a database; the first one, 0, is RedisCache's.
databases: dict[str, int] = {}

if SERVER:
    RedisCache: Any = backend

    class LocationsAsDatabases(backend):  # type: ignore[misc]  # it is found at run time
        """The backend, for CACHES that were written for LocMemCache."""

        def __init__(self, location: str, params: dict[str, Any]) -> None:
            number = databases.setdefault(location, len(databases) + 1)
            super().__init__(f"{SERVER}/{number}", params)

    LocMemCache = LocationsAsDatabases
