"""System checks of coherent tiers: what settings tell, and, with --deploy, what the server tells."""

import subprocess
import sys
import textwrap
from uuid import uuid4

import pytest
from django.core.checks import INFO, WARNING
from django.test import override_settings

from quickcache import CacheWithPresets, MemoryCache, RedisCache, TieredCache, _registry, get_quickcache
from quickcache.django import _coherence, get_django_quickcache
from quickcache.django.checks import check_caches, check_servers

URL = "redis://localhost:6379"
NO_SERVER = "redis://127.0.0.1:1"
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.ReplicaReadsWarning")


@pytest.fixture(autouse=True)
def _no_functions_but_those_of_the_test(monkeypatch):
    monkeypatch.setattr(_registry, "_entries", {})


def of_key(key, version, prefix):
    """A KEY_FUNCTION."""
    return f"{key}"


def tiered(location=URL, *, more=None, **options):
    return {
        "BACKEND": "quickcache.django.TieredCache",
        "LOCATION": location,
        "OPTIONS": {"deadline": 60, **options},
        **(more or {}),
    }


def pair(location=URL, locmem=None, **more):
    """The two aliases of `get_django_quickcache`."""
    return {
        "default": {
            "BACKEND": "quickcache.django.RedisCache",
            "LOCATION": location,
            "OPTIONS": {"deadline": 60},
            **more,
        },
        "locmem": locmem or {"BACKEND": "quickcache.django.MemoryCache"},
    }


def function(**options):
    @get_django_quickcache(**{"timeout": 300, "memoize_timeout": 60, **options})(["a"])
    def cached(a):
        return a

    return cached


def told(check, id_, configs):
    """What is told with this id: of what, and the text."""
    with override_settings(CACHES=configs):
        messages = [message for message in check() if message.id == f"quickcache.{id_}"]
    assert all(message.hint and message.obj for message in messages)
    return [(message.obj, message.msg) for message in messages]


class TestSettings:
    @pytest.mark.parametrize(
        ("config", "text"),
        [
            (tiered(more={"KEY_FUNCTION": f"{__name__}.of_key"}), "since KEY_FUNCTION makes the keys"),
            (tiered([URL, "redis://10.0.0.6"]), "since a replica is read from"),
        ],
    )
    def test_of_an_alias_whose_memory_hears_nothing_are_told_of(self, config, text):
        [(obj, message)] = told(check_caches, "W007", {"default": config})

        assert "CACHES['default']" == obj
        assert f"Memory is not kept true to the server, {text}" in message

    @pytest.mark.parametrize(
        "config",
        [
            tiered(),
            tiered(coherence="pubsub"),
            tiered("redis+cluster://a:7000,b:7001"),
            tiered(["redis+sentinel://a/service", "redis+sentinel://b/service"]),
            tiered(coherence="off", more={"KEY_FUNCTION": f"{__name__}.of_key"}),
            tiered([URL, "redis://10.0.0.6"], coherence="off"),
        ],
    )
    def test_by_which_memory_is_kept_true_or_is_not_to_be_are_not(self, config):
        assert [] == told(check_caches, "W007", {"default": config})

    def test_are_a_warning_that_says_what_to_do(self):
        with override_settings(CACHES={"default": tiered([URL, URL])}):
            [message] = [found for found in check_caches() if found.id == "quickcache.W007"]

        assert WARNING == message.level
        assert "coherence='off'" in message.hint


class TestFunctions:
    @pytest.mark.parametrize(
        ("configs", "options", "text"),
        [
            (pair(), {"session_function": lambda: "s"}, "session_function, makes the keys in locmem"),
            (pair(KEY_FUNCTION=f"{__name__}.of_key"), {}, "KEY_FUNCTION makes the keys in default"),
            (pair([URL, "redis://10.0.0.6"]), {}, "a replica is read from"),
            (pair(locmem=LOCMEM), {"coherence": "tracking"}, "its tiers are not a MemoryCache before"),
        ],
    )
    def test_whose_memory_hears_nothing_are_told_of(self, configs, options, text):
        with override_settings(CACHES=configs):
            cached = function(**options)
            [(obj, message)] = told(check_caches, "W007", configs)
            del cached

        assert obj.endswith(".cached")
        assert text in message

    @pytest.mark.parametrize(
        ("configs", "options"),
        [
            (pair(), {}),
            (pair(), {"coherence": "off", "session_function": lambda: "s"}),
            (pair(), {"memoize_timeout": 0, "session_function": lambda: "s"}),
            (pair(locmem=LOCMEM), {}),
            (pair([URL, "redis://10.0.0.6"]), {"coherence": "off"}),
        ],
    )
    def test_whose_memory_is_kept_true_or_is_not_to_be_are_not(self, configs, options):
        with override_settings(CACHES=configs):
            cached = function(**options)
            assert [] == told(check_caches, "W007", configs)
            del cached

    def test_with_one_reason_are_told_of_at_once(self):
        configs = pair()
        with override_settings(CACHES=configs):
            cached = [function(session_function=lambda: "s") for _ in range(5)]
            [(obj, _)] = told(check_caches, "W007", configs)
            del cached

        assert obj.endswith(".cached and 2 more")

    def test_without_django_are_told_of_too(self):
        memory = CacheWithPresets(MemoryCache(), 60, lambda: "s")

        @get_quickcache(cache=TieredCache([memory, RedisCache(URL)]))(["a"])
        def cached(a):
            return a

        [(obj, message)] = told(check_caches, "W007", {"default": LOCMEM})
        assert obj.endswith(".cached")
        assert "makes the keys in MemoryCache" in message


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
class TestServers:
    @pytest.fixture(autouse=True)
    def _however_busy_this_machine_is(self, monkeypatch):
        monkeypatch.setattr(_coherence, "LIMIT", 60)

    @pytest.fixture
    def user(self, shared):
        """The URL of a user who has these rights besides those of a cache."""
        server, names = shared.server(), []

        def make(*rights):
            # A new one each time: what a server refused is not asked for again by the same process.
            names.append(name := f"check-{uuid4().hex}")
            server.cli(
                "ACL", "SETUSER", name, "reset", "on", ">pass", "~*", "-@all", "+ping", "+get", *rights
            )
            return f"redis://{name}:pass@127.0.0.1:{server.port}"

        yield make
        if names:
            server.cli("ACL", "DELUSER", *names)

    def test_that_tell_of_changes_have_nothing_said_of_them(self, user):
        url = user("+hello", "+client|tracking")

        assert [] == check_with({"default": tiered(url)})

    def test_that_refuse_tracking_are_told_of_with_what_is_used_instead(self, user):
        url = user("+hello", "+subscribe", "+publish", "&quickcache.clears:*")
        [(obj, message)] = told(check_servers, "W008", {"default": tiered(url)})

        assert "CACHES['default']" == obj
        assert "does not allow coherence='tracking': NOPERM" in message
        assert "Processes tell each other of their clears instead" in message
        assert "pass@" not in message

    def test_that_refuse_all_are_told_of(self, user):
        for coherence in ("tracking", "pubsub"):
            [(_, message)] = told(check_servers, "W008", {"default": tiered(user(), coherence=coherence)})

            assert f"does not allow coherence={coherence!r}: NOPERM" in message
            assert message.endswith("Memory keeps values for its own timeout, whatever others change.")

    def test_are_not_asked_where_nothing_is_to_be_kept_true(self, user):
        assert [] == check_with({"default": tiered(user(), coherence="off")})
        assert ["quickcache.I009"] == [found.id for found in check_with({"default": tiered([NO_SERVER] * 2)})]

    def test_of_functions_are_asked_once_for_all(self, user):
        configs = pair(user())
        with override_settings(CACHES=configs):
            cached = [function() for _ in range(5)]
            [(obj, message)] = told(check_servers, "W008", configs)
            del cached

        assert obj.endswith(".cached and 2 more")
        assert "does not allow coherence='tracking'" in message

    def test_that_are_away_are_told_of_for_information(self):
        [message] = check_with({"default": tiered(NO_SERVER)})

        assert ("quickcache.I009", INFO, "CACHES['default']") == (message.id, message.level, message.obj)
        assert "The server at localhost:1/0 could not be asked: no connection" in message.msg

    def test_that_refuse_the_login_are_a_warning_for_all_that_use_them(self, user):
        url = user().replace("pass@", "secret@")
        server = {**tiered(url), "BACKEND": "quickcache.django.RedisCache"}
        with override_settings(CACHES={**pair(url), "more": tiered(url), "server": server}):
            cached = function()
            [message] = check_servers()
            del cached

        assert ("quickcache.W010", WARNING) == (message.id, message.level)
        assert "CACHES['default'], CACHES['more'], CACHES['server'] and 1 more" == message.obj
        assert "refused the login: WRONGPASS" in message.msg
        assert "secret" not in str(message)

    def test_are_asked_by_check_with_deploy_alone(self, tmp_path):
        (tmp_path / "settings.py").write_text(
            textwrap.dedent(f"""
                SECRET_KEY = "tests"
                INSTALLED_APPS = ["quickcache.django"]
                CACHES = {{"default": {tiered(NO_SERVER)!r}}}
            """)
        )

        def check(*more):
            arguments = ["check", "--tag", "quickcache", *more, "--settings", "settings"]
            done = subprocess.run(
                [sys.executable, "-m", "django", *arguments, "--pythonpath", str(tmp_path)],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert 0 == done.returncode
            return done.stdout + done.stderr

        assert "quickcache.I009" in check("--deploy")
        assert "quickcache." not in check()


def check_with(configs):
    with override_settings(CACHES=configs):
        return check_servers()
