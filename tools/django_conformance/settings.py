"""Settings for Django's tests, as its documentation describes them: databases, and the cache to be tested."""

from django_conformance.stand_ins import SERVER

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
CACHES = {
    "default": (
        {"BACKEND": "django_conformance.stand_ins.RedisCache", "LOCATION": f"{SERVER}/0"}
        if SERVER
        else {"BACKEND": "django_conformance.stand_ins.LocMemCache"}
    )
}
SECRET_KEY = "of-tests"  # noqa: S105  it is no secret
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = False
TEST_RUNNER = "django_conformance.recording.RecordingRunner"
