"""System checks: what is said of settings, and that nothing is said of good ones."""

import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest
from django.core.checks import ERROR, INFO, WARNING
from django.test import override_settings

from quickcache import MemoryCache, QuickCacheHelper, RedisCache, TieredCache, _registry, get_quickcache
from quickcache.django import get_django_quickcache
from quickcache.django._servers import place_of
from quickcache.django.checks import check_caches

KEY = "k" * 16


@pytest.fixture(autouse=True)
def _no_functions_but_those_of_the_test(monkeypatch):
    monkeypatch.setattr(_registry, "_entries", {})


def redis(location="redis://localhost:6379", **more):
    return {"BACKEND": "quickcache.django.RedisCache", "LOCATION": location, **more}


def memory(**more):
    return {"BACKEND": "quickcache.django.MemoryCache", **more}


def tiered(location="redis://localhost:6379", **more):
    return {"BACKEND": "quickcache.django.TieredCache", "LOCATION": location, **more}


def of_tiers(*aliases):
    return {"BACKEND": "quickcache.django.TieredCache", "OPTIONS": {"TIERS": list(aliases)}}


def said(only=None, **configs):
    """The ids of what is said of these settings, in order, with what each is about."""
    with override_settings(CACHES=configs):
        found = [(message.id.removeprefix("quickcache."), message.obj) for message in check_caches()]
    return [one for one in found if only in {None, one[0]}]


def told(id_, **configs):
    """The one message with this id."""
    with override_settings(CACHES=configs):
        [message] = [message for message in check_caches() if message.id == f"quickcache.{id_}"]
    assert message.hint
    return message


class TestGoodSettings:
    @pytest.mark.parametrize(
        "configs",
        [
            {},
            {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            {"default": redis()},
            {"default": tiered()},
            {"default": redis("redis://localhost:6379/0"), "sessions": redis("redis://localhost:6379/1")},
            {"default": redis(), "locmem": memory(TIMEOUT=10), "both": of_tiers("locmem", "default")},
            {"default": memory(LOCATION="a"), "other": memory(LOCATION="b")},
            {"default": redis("rediss://cache.example.com:6379")},
            {"default": redis("redis://10.0.0.5", OPTIONS={"signing_keys": [KEY]})},
            {"default": redis("redis://10.0.0.5", OPTIONS={"serializer": "json"})},
            {"default": redis("unix:///run/redis.sock?db=1")},
        ],
    )
    def test_nothing_is_said(self, configs):
        assert [] == said(**configs)


class TestMissingAliases:
    def test_of_tiers(self):
        message = told("E001", default=redis(), both=of_tiers("locmem", "default"))

        assert (ERROR, "CACHES['both']") == (message.level, message.obj)
        assert "TIERS names the alias 'locmem', which is not in CACHES." == message.msg
        assert [("E001", "CACHES['both']")] == said(default=redis(), both=of_tiers("locmem", "default"))

    def test_of_a_decorated_function(self):
        with override_settings(CACHES={"default": redis(), "locmem": memory()}):

            @get_django_quickcache(timeout=60, memoize_timeout=10)(["a"])
            def function(a):
                return a

        message = told("E001", default=redis())

        assert ERROR == message.level
        path = f"{__name__}.TestMissingAliases.test_of_a_decorated_function.<locals>.function"
        assert f"{path} is cached in the alias 'locmem', which is not in CACHES." == message.msg
        assert [] == said("E001", default=redis(), locmem=memory())

    def test_of_many_functions_is_said_once(self):
        functions = []
        with override_settings(CACHES={"default": redis(), "locmem": memory()}):
            for _ in range(5):

                @get_django_quickcache(timeout=60, memoize_timeout=10)(["a"])
                def function(a):
                    return a

                functions.append(function)

        assert "and 2 more are cached in the alias 'locmem'" in told("E001", default=redis()).msg

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_of_a_function_that_urls_lead_to(self, wrapped, tmp_path, monkeypatch):
        """Its decorator raises, so that it is not known."""
        name = f"urls_{wrapped}"
        text = "from quickcache.django import *\n@get_django_quickcache(timeout=6, memoize_timeout=3)([])\n"
        (tmp_path / f"views_{name}.py").write_text(f"{text}def function(): pass\n")
        imported = f"import views_{name}\n"
        if wrapped:
            imported = f"try: {imported}except Exception as error: raise ValueError from error\n"
        (tmp_path / f"{name}.py").write_text(f"{imported}urlpatterns = []\n")
        monkeypatch.syspath_prepend(tmp_path)

        with override_settings(ROOT_URLCONF=name):
            message = told("E001", default=redis())

        assert ERROR == message.level
        assert "The project's URLs cannot be imported: The connection 'locmem' doesn't exist." == message.msg

    def test_are_not_what_else_is_wrong_with_urls(self, tmp_path, monkeypatch):
        (tmp_path / "urls_with_no_end.py").write_text("raise ValueError\n")
        monkeypatch.syspath_prepend(tmp_path)

        with override_settings(ROOT_URLCONF="urls_with_no_end"):
            assert [] == said(default=redis())


class TestLives:
    @pytest.mark.parametrize(
        ("options", "timeout", "text"),
        [
            ({"memoize_timeout": 600}, 300, "Memory keeps values for 600 s, and the server for 300 s."),
            ({"memoize_timeout": None}, 300, "Memory keeps values for ever, and the server for 300 s."),
            ({}, 5, "Memory keeps values for 10 s, and the server for 5 s."),
        ],
    )
    def test_of_a_tiered_cache(self, options, timeout, text):
        message = told("W002", default=tiered(OPTIONS=options, TIMEOUT=timeout))

        assert (WARNING, "CACHES['default']", text) == (message.level, message.obj, message.msg)

    def test_of_tiers(self):
        both = of_tiers("locmem", "default")
        message = told("W002", default=redis(TIMEOUT=60), locmem=memory(TIMEOUT=90), both=both)

        assert ("CACHES['both']", "Memory keeps values for 90 s, and the server for 60 s.") == (
            message.obj,
            message.msg,
        )

    @pytest.mark.parametrize(
        ("options", "timeout"),
        [({"memoize_timeout": 300}, 300), ({"memoize_timeout": None}, None), ({"memoize_timeout": 9}, None)],
    )
    def test_that_are_as_they_should_be(self, options, timeout):
        assert [] == said("W002", default=tiered(OPTIONS=options, TIMEOUT=timeout))

    def test_of_decorated_functions(self):
        configs = {"default": redis(), "locmem": memory()}
        with override_settings(CACHES=configs):

            @get_django_quickcache(timeout=60, memoize_timeout=600)(["a"])
            def wrong(a):
                return a

            @get_django_quickcache(timeout=600, memoize_timeout=60)(["a"])
            def right(a):
                return a

            message = told("W002", **configs)

        assert message.msg.endswith("wrong is kept in memory for 600 s, and in the shared cache for 60 s.")

    def test_of_functions_without_django(self):
        tiers = TieredCache([MemoryCache(timeout=None), MemoryCache(timeout=3)])

        @get_quickcache(cache=tiers)(["a"])
        def function(a):
            return a

        text = "function is kept in memory for ever, and in the shared cache for 3 s."
        assert told("W002").msg.endswith(text)


class TestPickles:
    @pytest.mark.parametrize(
        "location",
        [
            "redis://10.0.0.5:6379/0",
            "redis://user:secret@cache.example.com",
            ["redis://127.0.0.1", "redis://10.0.0.5"],
            "redis+sentinel://10.0.0.1,10.0.0.2/service/0",
            "redis+cluster://[2001:db8::1]:7000",
        ],
    )
    def test_that_others_can_write_are_told_of(self, location):
        message = told("I003", default=redis(location))

        assert (INFO, "CACHES['default']") == (message.level, message.obj)
        assert "secret" not in str(message)
        assert [("I003", "CACHES['default']")] == said("I003", default=tiered(location))

    @pytest.mark.parametrize(
        "location",
        [
            "redis://[::1]:6379",
            "redis://127.9.9.9",
            "redis://",
            "redis+cluster://localhost:7000,localhost:7001",
        ],
    )
    def test_on_this_machine_are_not(self, location):
        assert [] == said("I003", default=redis(location))

    @pytest.mark.parametrize(
        "serializer",
        ["pickle", "django.core.cache.backends.redis.RedisSerializer", f"{__name__}.PickleSerializer"],
    )
    def test_are_told_by_the_serializers_name(self, serializer):
        configs = {"default": redis("redis://10.0.0.5", OPTIONS={"serializer": serializer})}

        assert [("I003", "CACHES['default']")] == said(**configs)

    def test_of_a_decorated_function_are_told_of(self):
        @get_quickcache(cache=RedisCache("redis://10.0.0.5"))(["a"])
        def function(a):
            return a

        assert told("I003").obj.endswith(".function")


class PickleSerializer:
    """As django-redis calls its own."""

    def dumps(self, value):
        return b""

    def loads(self, data):
        return None


class TestEntriesInCommon:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("redis://localhost:6379/1", "redis://127.0.0.1/1"),
            ("redis://localhost", "redis://:secret@localhost:6379/0"),
            ("redis://localhost/2", "redis://localhost?db=2"),
            ("redis://10.0.0.5", ["redis://10.0.0.5", "redis://10.0.0.6"]),
            ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0"),
            ("redis+sentinel://a,b/service/0", "redis+sentinel://b:26379/service"),
        ],
    )
    def test_of_one_database_are_told_of(self, one, other):
        configs = {"default": redis(one), "other": redis(other)}
        message = told("W004", **configs)

        assert (WARNING, "CACHES['default'] and CACHES['other']") == (message.level, message.obj)
        assert "neither reads" not in message.msg

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("redis://localhost/1", "redis://localhost/2"),
            ("redis://localhost:6379", "redis://localhost:6380"),
            ("redis://a", "redis://b"),
            ("redis+sentinel://a/one", "redis+sentinel://a/two"),
            ("unix:///a.sock", "unix:///b.sock"),
        ],
    )
    def test_of_two_are_none(self, one, other):
        assert [] == said("W004", default=redis(one), other=redis(other))
        assert [] == said("I005", default=redis(one), other=redis(other))

    @pytest.mark.parametrize(
        ("options", "name"),
        [({"signing_keys": [KEY]}, "signing_keys"), ({"serializer": "json"}, "serializer")],
    )
    def test_that_neither_can_read_are_told_of(self, options, name):
        message = told("W004", default=redis(), other=redis(OPTIONS=options))

        assert f"With other {name}, neither reads what the other has written." in message.msg

    @pytest.mark.parametrize("more", [{"KEY_PREFIX": "b"}, {"VERSION": 2}])
    def test_with_another_prefix_are_none_but_clear_is_for_both(self, more):
        message = told("I005", default=redis(), other=redis(**more))

        assert (INFO, "CACHES['default'] and CACHES['other']") == (message.level, message.obj)
        assert [] == said("W004", default=redis(), other=redis(**more))

    def test_with_a_prefix_in_options_clear_is_for_one(self):
        assert [] == said(
            default=redis(OPTIONS={"key_prefix": "a:"}), other=redis(OPTIONS={"key_prefix": "b:"})
        )

    def test_are_told_of_wherever_the_prefix_comes_from(self):
        message = told("W004", default=redis(KEY_PREFIX="a"), other=redis(OPTIONS={"key_prefix": "a"}))

        assert "CACHES['default'] and CACHES['other']" == message.obj

    def test_are_emptied_with_those_whose_prefix_begins_theirs(self):
        for configs in (
            {"default": redis(), "other": redis(OPTIONS={"key_prefix": "b:"})},
            {"other": redis(OPTIONS={"key_prefix": "b:"}), "default": redis()},
        ):
            message = told("I005", **configs)
            assert "clear() of 'default' empties 'other' too" in message.msg

    def test_with_a_backend_of_django_are_told_of(self):
        django = {**redis(), "BACKEND": "django.core.cache.backends.redis.RedisCache"}
        assert "neither reads" not in told("W004", default=django, ours=redis()).msg
        assert "With other signing_keys, neither" in (
            told("W004", default=django, ours=redis(OPTIONS={"signing_keys": [KEY]})).msg
        )
        assert [("I005", "CACHES['ours'] and CACHES['default']")] == said(
            default=django, ours=redis(KEY_PREFIX="b")
        )
        assert [] == said(default=django, another=django)
        assert [] == said(default={**django, "LOCATION": 5}, ours=redis())

    def test_in_memory_are_told_of(self):
        """Two without a LOCATION, as it happens with Django's LocMemCache."""
        assert [("W004", "CACHES['default'] and CACHES['other']")] == said(default=memory(), other=memory())
        prefixed = memory(KEY_PREFIX="b")
        assert [("I005", "CACHES['default'] and CACHES['other']")] == said(default=memory(), other=prefixed)


class OfOptions:
    """A serializer as django-redis makes it."""

    def __init__(self, options):
        self.options = options


def of_key(key, prefix, version):
    """A KEY_FUNCTION."""
    return f"{version}/{prefix}/{key}"


class TestBadSettings:
    @pytest.mark.parametrize(
        ("config", "text"),
        [
            (redis("localhost:6379"), "it must begin with 'redis://'"),
            (redis("redis://localhost:six"), "a port must be a number"),
            (redis(OPTIONS={"deadlin": 1}), "deadlin"),
            (memory(OPTIONS={"size": 1}), "a MemoryCache has no option 'size'"),
            (memory(OPTIONS={"MAX_ENTRIES": "many"}), "many"),
            (
                tiered(OPTIONS={"memoize_timeout": "long"}),
                "OPTIONS['memoize_timeout'] of a TieredCache: a timeout is seconds (int or float), a",
            ),
            (
                redis(OPTIONS={"serializer": "no.such.Serializer"}),
                "or its path, which is called without",
            ),
            (
                redis(OPTIONS={"serializer": OfOptions}),
                "OPTIONS['serializer'] is 'pickle', 'json', 'msgpack'",
            ),
            (memory(OPTIONS={"isolate": "yes"}), "isolate is True or False, not str: 'yes'"),
            (of_tiers("bad", "default"), "in this order; but 'bad' is made of TIERS itself"),
            (
                tiered(["redis://a", "redis://b"], OPTIONS={"coherence": "tracking"}),
                "OPTIONS['coherence'] = 'tracking' of a TieredCache: a replica is read from",
            ),
            (
                tiered(KEY_FUNCTION=f"{__name__}.of_key", OPTIONS={"coherence": "pubsub"}),
                "OPTIONS['coherence'] = 'pubsub' of a TieredCache: KEY_FUNCTION makes the keys, and",
            ),
            ({"BACKEND": "quickcache.django.Memcached"}, "Memcached"),
            (of_tiers("default"), "names a quickcache.django.MemoryCache and a"),
        ],
    )
    def test_are_errors_with_their_message(self, config, text):
        configs = {"default": redis(), "bad": config}
        message = told("E006", **configs)

        assert (ERROR, "CACHES['bad']") == (message.level, message.obj)
        assert text in message.msg
        assert message.msg.startswith(config["BACKEND"])

    @pytest.mark.parametrize(
        "configs", [None, [], "text", {"default": None}, {"default": {}}, {"default": {"BACKEND": 5}}]
    )
    def test_of_no_shape_at_all_raise_nothing(self, configs, monkeypatch):
        # Not by override_settings, with which Django itself has no way back from them.
        monkeypatch.setattr("quickcache.django.checks.settings", SimpleNamespace(CACHES=configs))

        assert [] == check_caches()

    @pytest.mark.parametrize(
        "config", [{"OPTIONS": None}, {"OPTIONS": 5}, {"OPTIONS": {"TIERS": 5}}, {"LOCATION": 5}]
    )
    def test_of_no_shape_within_raise_nothing(self, config):
        for kind in ("MemoryCache", "RedisCache", "TieredCache"):
            with override_settings(CACHES={"default": {"BACKEND": f"quickcache.django.{kind}", **config}}):
                assert {message.id for message in check_caches()} <= {"quickcache.E006"}

    @pytest.mark.parametrize("kind", ["MemoryCache", "RedisCache", "TieredCache"])
    def test_of_a_cache_without_django_names_the_backend(self, kind):
        message = told("E006", default={"BACKEND": f"quickcache.{kind}", "LOCATION": "redis://localhost"})

        assert (ERROR, "CACHES['default']") == (message.level, message.obj)
        expected = f"quickcache.{kind} is no backend for CACHES: did you mean quickcache.django.{kind}?"
        assert expected == message.msg

    def test_of_others_are_left_to_others(self):
        assert [] == said(default={"BACKEND": "no.such.Backend"})

    def test_helpers_without_a_cache_are_left_alone(self):
        class Without(QuickCacheHelper):
            @property
            def cache(self):
                raise OSError

            @cache.setter
            def cache(self, _):
                pass

        @get_quickcache(cache=MemoryCache())(["a"], helper_class=Without)
        def function(a):
            return a

        assert [] == said(default=memory())


def test_a_password_is_in_no_place():
    place = place_of(RedisCache("redis://user:secret@10.0.0.5:7000/3"))

    assert ("10.0.0.5:7000/3", True) == (place.text, place.is_remote)


class TestTheApp:
    PROJECT = """
        SECRET_KEY = "tests"
        INSTALLED_APPS = ["quickcache.django"]
        CACHES = {{"default": {{"BACKEND": "quickcache.django.RedisCache", "LOCATION": {location!r}}}}}
    """

    def manage(self, folder, location, *arguments, more=""):
        (folder / "settings.py").write_text(textwrap.dedent(self.PROJECT).format(location=location) + more)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "django",
                *arguments,
                "--settings",
                "settings",
                "--pythonpath",
                str(folder),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def test_has_checks_with_a_tag_of_their_own(self, tmp_path):
        code, printed = self.manage(tmp_path, "redis://localhost:six", "check", "--tag", "quickcache")

        assert 1 == code
        assert "CACHES['default']: (quickcache.E006) quickcache.django.RedisCache cannot be made" in printed

    def test_says_nothing_of_good_settings(self, tmp_path):
        assert (0, "System check identified no issues (0 silenced).\n") == self.manage(
            tmp_path, "redis://localhost", "check"
        )

    def test_that_djangos_own_checks_make_caches_is_so_still(self, tmp_path):
        """Else the tag has no use any more, and the page on checks is wrong."""
        code, printed = self.manage(tmp_path, "redis://localhost:six", "check")

        assert (1, True) == (code, "ValueError: url 'redis://localhost:***': a port must" in printed)

    def test_knows_of_what_is_decorated_where_urls_lead_to(self, tmp_path):
        (tmp_path / "urls.py").write_text(
            "from quickcache.django import get_django_quickcache\n"
            "@get_django_quickcache(timeout=6, memoize_timeout=60)([])\n"
            "def slow(): pass\n"
            "urlpatterns = []\n"
        )
        more = "CACHES['locmem'] = {'BACKEND': 'quickcache.django.MemoryCache'}\nROOT_URLCONF = 'urls'"
        code, printed = self.manage(
            tmp_path,
            "redis://localhost",
            "check",
            "--tag",
            "quickcache",
            "--fail-level",
            "WARNING",
            more=more,
        )

        assert (1, True) == (code, "(quickcache.W002) urls.slow is kept in memory for 60 s" in printed)

    def test_has_a_command(self, tmp_path):
        code, printed = self.manage(tmp_path, "redis://localhost", "quickcache", "list")

        assert (0, True) == (code, "0 decorated functions\n" in printed)
