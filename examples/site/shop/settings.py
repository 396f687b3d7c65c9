"""Django's settings. The environment chooses the caches (see caches.py), the server and the database."""

import os
import tempfile
from pathlib import Path

from shop.caches import caches_of

BASE = Path(__file__).parent.parent

DEBUG = bool(os.environ.get("SHOP_DEBUG"))
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for an example, on this machine alone")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "shop.apps.ShopConfig",
]
MIDDLEWARE = [
    "shop.watch.CountsOfWorkers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "shop.watch.known_user",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "shop.views.for_all_pages",
            ]
        },
    }
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", BASE / "shop.sqlite3"),
        "CONN_MAX_AGE": None,
        # Writers of several workers wait for one another instead of failing.
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

CONFIGURATION = os.environ.get("SHOP_CACHES", "ours")
CACHES = {
    **caches_of(CONFIGURATION, os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")),
    # Where the workers tell one another their counts: apart from the caches that are counted.
    "counts": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ.get("SHOP_COUNTS", Path(tempfile.gettempdir()) / "quickcache-shop"),
    },
}
# A session is read from `default`, and from the database where that has nothing: nobody is signed out when
# the server is restarted, or when there is no cache.
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
