"""`manage.py quickcache`: what it prints, what it does, and what it says to what it does not take."""

import os
import re
import subprocess
import sys
import textwrap

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.test import override_settings

from quickcache import CacheWithPresets, ForceSkipCache, MemoryCache, RedisCache, TieredCache, get_quickcache
from quickcache.django import get_django_quickcache
from quickcache.django.management.commands.quickcache import Command

if sys.platform != "win32":
    from redis_servers.waiting import until

CACHES = {
    "default": {"BACKEND": "quickcache.django.MemoryCache", "LOCATION": "test_command"},
    "locmem": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "test_command"},
}


@pytest.fixture(autouse=True)
def _settings():
    with override_settings(CACHES=CACHES):
        yield
        for alias in CACHES:
            caches[alias].clear()


@pytest.fixture
def manage(capsys):
    """What the command prints."""

    def manage(*arguments):
        call_command(Command(), *arguments)
        printed = capsys.readouterr()
        assert "" == printed.err
        return printed.out

    return manage


memory = MemoryCache()


class Basket:
    def __init__(self, number):
        self.number = number

    @property
    @get_quickcache(cache=memory)(["self.number"])
    def size(self):
        return 0


@get_quickcache(cache=TieredCache([CacheWithPresets(memory, 10), MemoryCache(timeout=300)]))(
    ["item", "user.id"], skip_arg="fresh"
)
def price(item, user=None, fresh=False):
    return {"item": item}


@get_quickcache(cache=memory)([])
def everything():
    return 1


@get_quickcache(cache=memory, timeout=5)(lambda item: [item])
def by_function(item):
    return item


HERE = __name__


@pytest.fixture
def cached():
    """A function in two of Django's caches."""

    @get_django_quickcache(timeout=300, memoize_timeout=10)(["a", "b"])
    def function(a, b=None):
        return [a, b]

    return function


def path_of(function):
    return f"{function.__module__}.{function.__qualname__}"


class TestList:
    def test_tells_what_a_function_varies_on_and_its_tiers(self, manage):
        expected = f"""\
            {HERE}.price
              key       quickcache.{price.prefix}/...
              varies on item, user.id
              skip      fresh
              tiers     MemoryCache for 10 s, then MemoryCache for 300 s
            1 decorated function with '{HERE}.price' in their path
            """
        assert textwrap.dedent(expected) == manage("list", f"{HERE}.price")

    def test_names_aliases(self, manage, cached):
        printed = manage("list", path_of(cached))

        assert "  varies on a, b\n  tiers     locmem for 10 s, then default for 300 s\n" in printed

    def test_has_all_that_are_decorated_in_order(self, manage):
        printed = manage("list", HERE)
        paths = re.findall(rf"^{re.escape(HERE)}\S+$", printed, re.MULTILINE)

        names = [f"{HERE}.{name}" for name in ("Basket.size", "by_function", "everything", "price")]
        assert names == [path for path in paths if "<locals>" not in path]
        assert "varies on nothing: one value for all calls" in printed
        assert "varies on <function <lambda>" in printed

    def test_says_what_to_do_where_there_are_none(self, manage):
        expected = "0 decorated functions with 'nothing such' in their path\nFunctions are known once"
        assert manage("list", "nothing such").startswith(expected)

    def test_imports_modules_first(self, manage, tmp_path, monkeypatch):
        (tmp_path / "late_shop.py").write_text(
            "from quickcache import *\n@get_quickcache(cache=MemoryCache())([])\ndef late(): pass\n"
        )
        monkeypatch.syspath_prepend(tmp_path)

        assert "0 decorated" in manage("list", "late_shop")
        assert "late_shop.late\n" in manage("list", "late_shop", "--import", "late_shop")

    def test_names_a_module_that_is_not_there(self, manage):
        with pytest.raises(CommandError, match="--import no_such_module: No module named 'no_such_module'"):
            manage("list", "--import", "no_such_module")

    def test_names_what_a_module_raises(self, manage, tmp_path, monkeypatch):
        (tmp_path / "broken_shop.py").write_text("raise RuntimeError('not today')\n")
        monkeypatch.syspath_prepend(tmp_path)

        with pytest.raises(CommandError, match="--import broken_shop: RuntimeError: not today"):
            manage("list", "--import", "broken_shop")


class TestGet:
    def test_tells_the_key_and_which_tier_has_what(self, manage, cached):
        key = cached.get_cache_key("tea", b=[1, 2])
        path = path_of(cached)
        arguments = ("get", path, "tea", "--kwarg", "b=[1, 2]")
        nothing = f"key {key}\nlocmem: nothing\ndefault: nothing\n"
        assert nothing == manage(*arguments).partition("(")[0]

        caches["default"].set(key, ["tea"])

        assert f"key {key}\nlocmem: nothing\ndefault: ['tea']\n" == manage(*arguments).partition("(")[0]
        assert "(memory is each process's own: this command has just begun" in manage(*arguments)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("7", 7),
            ("-7", -7),
            ("tea", "tea"),
            ("'7'", "7"),
            ("None", None),
            ("[1, 'a']", [1, "a"]),
            ("a b", "a b"),
        ],
    )
    def test_arguments_are_literals_or_else_texts(self, manage, cached, text, value):
        cached.set_cached_value(value).to("found")

        assert "locmem: 'found'\ndefault: 'found'\n" in manage("get", path_of(cached), text)

    def test_long_values_are_cut(self, manage, cached):
        cached.set_cached_value(1).to("long" * 1_000)

        assert len(manage("get", path_of(cached), "1")) < 1_000

    def test_none_is_a_value(self, manage, cached):
        cached.set_cached_value(1).to(None)

        assert "default: None\n" in manage("get", path_of(cached), "1")

    def test_a_property_goes_by_its_name(self, manage):
        with pytest.raises(CommandError, match=r"no key can be made of .* varies on self\.number"):
            manage("get", f"{HERE}.Basket.size", "5")

    def test_a_function_goes_by_the_name_it_is_imported_under(self, manage, tmp_path, monkeypatch):
        (tmp_path / "own_shop.py").write_text(f"from {HERE} import Basket, everything as all_of_it\n")
        monkeypatch.syspath_prepend(tmp_path)

        assert f"key {everything.get_cache_key()}\n" in manage("get", "own_shop.all_of_it")
        with pytest.raises(CommandError, match=r"varies on self\.number"):
            manage("get", "own_shop.Basket.size", "5")

    def test_a_tier_that_is_passed_over_has_nothing(self, manage):
        def prefix():
            raise ForceSkipCache

        @get_quickcache(cache=CacheWithPresets(memory, 60, prefix))([])
        def function():
            return 1

        assert "\nMemoryCache: nothing\n" in manage("get", path_of(function))

    def test_a_tier_that_fails_is_named(self, manage):
        class Failing:
            def get(self, key, default=None):
                raise OSError("gone")

            set = delete = None

        @get_quickcache(cache=Failing())([])
        def function():
            return 1

        with pytest.raises(CommandError, match="Failing cannot be asked: OSError: gone"):
            manage("get", path_of(function))


class TestMistakes:
    @pytest.mark.parametrize("action", ["get", "clear"])
    def test_another_name_is_answered_with_close_ones(self, manage, action):
        with pytest.raises(CommandError, match=rf"no decorated function .*did you mean .*{HERE}\.price"):
            manage(action, f"{HERE}.prize")
        for name in ("", ".price", f"{HERE}..price", "price"):
            with pytest.raises(CommandError, match=f"no decorated function '{name}'"):
                manage(action, name)
        with pytest.raises(
            CommandError, match=r"no decorated function 'os\.path': `manage.py quickcache list`"
        ):
            manage(action, "os.path")

    @pytest.mark.parametrize("action", ["get", "clear"])
    def test_a_module_that_raises_is_named(self, manage, action, tmp_path, monkeypatch):
        (tmp_path / "raising_shop.py").write_text("raise ValueError('not today')\n")
        monkeypatch.syspath_prepend(tmp_path)

        with pytest.raises(CommandError, match="raising_shop cannot be imported: ValueError: not today"):
            manage(action, "raising_shop.price")

    @pytest.mark.parametrize("action", ["get", "clear"])
    def test_wrong_arguments_are_shown_with_what_is_varied_on(self, manage, action, cached):
        match = r"no key can be made of \(1, nothing=2\): .*'nothing'\. \S+ varies on a, b"
        with pytest.raises(CommandError, match=match):
            manage(action, path_of(cached), "1", "--kwarg", "nothing=2")

    @pytest.mark.parametrize("given", ["b", "=1", "b c=1"])
    def test_a_keyword_without_a_value_is_refused(self, manage, given):
        with pytest.raises(CommandError, match=f"--kwarg takes NAME=VALUE, .* not '{given}'"):
            manage("get", f"{HERE}.price", "--kwarg", given)

    @pytest.mark.parametrize("arguments", [(), ("no such action",)])
    def test_there_are_four_actions(self, manage, arguments):
        with pytest.raises(CommandError, match=r"list.*stats.*get.*clear|arguments are required"):
            manage(*arguments)


class TestClear:
    def test_forgets_one_entry(self, manage, cached):
        cached(1)
        cached(2)
        printed = manage("clear", path_of(cached), "1")

        assert f"cleared {cached.get_cache_key(1)} in locmem, default\n" in printed
        assert "(other processes keep what they have in memory: locmem for 10 s)\n" in printed
        assert [..., [2, None]] == [cached.get_cached_value(a) for a in (1, 2)]

    @pytest.mark.parametrize(
        ("arguments", "given"), [((), "neither"), (("a.b", "--alias", "c"), "both a.b and")]
    )
    def test_takes_a_function_or_an_alias(self, manage, arguments, given):
        with pytest.raises(CommandError, match=re.escape(f"--alias ALIAS; {given}")):
            manage("clear", *arguments)

    def test_of_an_alias_asks_for_its_name(self, manage, monkeypatch):
        caches["default"].set("a", 1)
        asked = []
        monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "yes")
        with pytest.raises(CommandError, match=r"nothing was cleared\. To .*, give --no-input"):
            manage("clear", "--alias", "default")
        assert (["Type default to go on: "], 1) == (asked, caches["default"].get("a"))

        monkeypatch.setattr("builtins.input", lambda text: "default")
        assert manage("clear", "--alias", "default").endswith("cleared 'default'\n")
        assert caches["default"].get("a") is None

    def test_of_an_alias_clears_nothing_where_nobody_answers(self, manage, monkeypatch):
        def nobody(text):
            raise EOFError

        monkeypatch.setattr("builtins.input", nobody)
        caches["default"].set("a", 1)
        with pytest.raises(CommandError, match="nothing was cleared"):
            manage("clear", "--alias", "default")
        assert 1 == caches["default"].get("a")

    def test_of_an_alias_does_not_ask_if_it_is_told(self, manage):
        caches["locmem"].set("a", 1)
        printed = manage("clear", "--alias", "locmem", "--no-input")

        assert "All of 'locmem' is going to be cleared" in printed
        assert caches["locmem"].get("a") is None

    def test_of_an_alias_that_is_not_there_names_those_that_are(self, manage):
        with pytest.raises(CommandError, match=r"no alias 'other' in CACHES, only 'default', 'locmem'"):
            manage("clear", "--alias", "other")

    def test_names_what_a_session_function_raises(self, manage):
        def session():
            raise LookupError("no request")

        @get_django_quickcache(timeout=300, memoize_timeout=10, session_function=session)(["a"])
        def function(a):
            return a

        with pytest.raises(CommandError, match="cannot be cleared: LookupError: no request"):
            manage("clear", path_of(function), "1")

    def test_of_an_alias_names_what_it_raises(self, manage, monkeypatch):
        def clear(self):
            raise OSError("gone")

        monkeypatch.setattr(type(caches["locmem"]), "clear", clear)
        with pytest.raises(CommandError, match="'locmem' cannot be cleared: OSError: gone"):
            manage("clear", "--alias", "locmem", "--no-input")
        monkeypatch.undo()


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
class TestAServerThatDoesNotTakeIt:
    """Each backend counts its errors, and raises none: nobody else would tell."""

    @pytest.fixture(params=["RedisCache", "TieredCache"])
    def backend(self, request):
        return {"BACKEND": f"quickcache.django.{request.param}"}

    @pytest.fixture
    def gone(self, backend):
        """An alias whose server is not there."""
        with override_settings(CACHES={**CACHES, "default": {**backend, "LOCATION": "redis://127.0.0.1:1"}}):
            yield

    @pytest.fixture
    def read_only(self, backend):
        """An alias whose server is a replica now, which reads but does not write."""
        from redis_servers.binaries import valkey
        from redis_servers.server import Server

        with Server(valkey()) as server:
            # That of nobody, so that it keeps what it has.
            server.cli("REPLICAOF", "127.0.0.1", 1)
            default = {**backend, "LOCATION": server.url, "OPTIONS": {"deadline": 10}}
            with override_settings(CACHES={**CACHES, "default": default}):
                yield

    @pytest.mark.usefixtures("gone")
    def test_since_it_is_away_is_named_by_clear(self, manage, cached, capsys):
        match = r"quickcache\.function\.\S+ was not cleared: the server of default did not take it: .*refused"
        with pytest.raises(CommandError, match=match):
            manage("clear", path_of(cached), "1")
        assert f"cleared {cached.get_cache_key(1)} in locmem\n" in capsys.readouterr().out

        match = "'default' was not cleared: the server of default did not take it: .*refused"
        with pytest.raises(CommandError, match=match):
            manage("clear", "--alias", "default", "--no-input")
        assert "cleared 'default'" not in capsys.readouterr().out

    @pytest.mark.usefixtures("gone")
    def test_since_it_is_away_is_named_by_get(self, manage, cached, capsys):
        with pytest.raises(CommandError, match=r"no answer from the server of default: .*refused"):
            manage("get", path_of(cached), "1")
        assert "\nlocmem: nothing\ndefault: no answer\n" in capsys.readouterr().out

    @pytest.mark.usefixtures("gone")
    def test_nor_is_asked_any_more_is_named_by_all(self, manage, cached):
        """As in a server's process, which has called it before."""
        for _ in range(5):
            caches["default"].get("a")

        for action in ("get", "clear", "get"):
            with pytest.raises(CommandError, match=r"the server of default.*refused"):
                manage(action, path_of(cached), "1")
        with pytest.raises(CommandError, match=r"the server of default.*refused"):
            manage("clear", "--alias", "default", "--no-input")

    def test_is_named_where_the_backend_raises(self, manage, cached, backend):
        # A cache of its own: equal options share one, which after some errors asks no more.
        options = {"on_error": "raise", "key_prefix": backend["BACKEND"]}
        default = {**backend, "LOCATION": "redis://127.0.0.1:1", "OPTIONS": options}
        with override_settings(CACHES={**CACHES, "default": default}):
            for action, text in (
                ("clear", "cannot be cleared in default"),
                ("get", "default cannot be asked"),
            ):
                with pytest.raises(CommandError, match=f"{text}: CacheUnavailableError: .*refused"):
                    manage(action, path_of(cached), "1")

    @pytest.mark.usefixtures("read_only")
    def test_since_it_reads_only_is_named_by_clear(self, manage, cached, capsys):
        with pytest.raises(CommandError, match=r"was not cleared: the server of default .*read"):
            manage("clear", path_of(cached), "1")
        with pytest.raises(CommandError, match=r"'default' was not cleared: the server of default .*read"):
            manage("clear", "--alias", "default", "--no-input")
        assert "in locmem, default" not in capsys.readouterr().out

    @pytest.mark.usefixtures("read_only")
    def test_since_it_reads_only_does_answer_get(self, manage, cached):
        assert "\nlocmem: nothing\ndefault: nothing\n" in manage("get", path_of(cached), "1")


class TestStats:
    def test_are_of_this_process(self, manage, cached):
        cached(1)
        cached(1)
        printed = manage("stats", path_of(cached))

        assert printed.startswith("Counted in this process alone, since it began.")
        assert f"\n{path_of(cached)}\n  1 computations\n" in printed
        assert "\nlocmem\n  LocMemCache counts nothing\n" in printed

    def test_of_our_backends_are_told(self, manage, cached):
        cached(1)

        assert re.search(
            r"\ndefault\n  (\d+ hits, )?\d+ misses, \d+ stores", manage("stats", path_of(cached))
        )

    def test_that_are_none_are_left_out(self, manage, cached):
        assert f"\n{path_of(cached)}\n  nothing yet\n" in manage("stats", path_of(cached))

    def test_of_a_helper_of_another_kind_are_told_too(self, manage):
        class Helper:
            prefix = clear = get_cache_key = get_cached_value = set_cached_value = None

            def __init__(self, fn, **_options):
                self.fn = fn

            def __call__(self):
                return self.fn()

        @get_quickcache(cache=memory)([], helper_class=Helper)
        def function():
            return 1

        assert f"\n{path_of(function)}\n  nothing yet\n" in manage("stats", path_of(function))
        assert "  tiers     none\n" in manage("list", path_of(function))

    def test_of_all_functions_have_each_tier_once(self, manage):
        printed = manage("stats")

        assert f"\n{HERE}.price\n" in printed
        assert f"\n{HERE}.everything\n" in printed

    def test_have_aliases_that_no_function_uses(self, manage):
        assert re.search(r"\ndefault\n  \S", manage("stats"))
        more = {"unused": {"BACKEND": "quickcache.django.TieredCache", "LOCATION": "redis://127.0.0.1:1"}}
        with override_settings(CACHES={**CACHES, **more}):
            printed = manage("stats")
            assert "\nunused\n  memory: " in printed
            assert "\n  coherence: tracking: memory is not used" in printed
            assert "\n  the server does not answer: no connection" in printed
            assert "unused" not in manage("stats", f"{HERE}.price")
        with override_settings(CACHES={**CACHES, "bad": {"BACKEND": "quickcache.django.RedisCache"}}):
            assert "bad" not in manage("stats")

    @pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
    def test_tell_whether_a_server_answers(self, manage, shared):
        server = shared.server()
        here = RedisCache(server.url, deadline=60)
        gone = RedisCache("redis://127.0.0.1:1")

        @get_quickcache(cache=TieredCache([here, gone]))([])
        def function():
            return 1

        printed = manage("stats", path_of(function))
        assert re.search(r"\n  the server answers in \d+\.\d ms\n", printed)
        assert "\n  the server does not answer: " in printed


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
class TestMemoryThatIsKeptTrue:
    @pytest.fixture
    def kept_true(self, shared):
        """A function whose memory is kept true in this mode to a server that tells of changes already."""

        def make(mode):
            server = RedisCache(shared.server().url, deadline=60)
            tiers = TieredCache([MemoryCache(), server], coherence=mode)

            @get_quickcache(cache=tiers, timeout=300)(["a"])
            def function(a):
                return a

            function(1)
            until("memory is trusted", lambda: mode == "off" or tiers.stats()["trusted"])
            return function

        return make

    @pytest.mark.parametrize("mode", ["tracking", "pubsub"])
    def test_is_told_of_by_stats(self, manage, kept_true, mode):
        function = kept_true(mode)
        printed = manage("stats", path_of(function))

        line = rf"\n  coherence {mode}: memory is trusted, last asked \d+\.\d s ago, and good for 2 s, "
        assert re.search(line, printed)

    def test_or_not_is_told_of_by_stats(self, manage, kept_true):
        function = kept_true("off")
        printed = manage("stats", path_of(function))

        assert "\n  coherence off: memory keeps values for its own timeout\n" in printed

    @pytest.mark.parametrize("mode", ["tracking", "pubsub"])
    def test_in_other_processes_forgets_what_is_cleared(self, manage, kept_true, mode):
        function = kept_true(mode)
        printed = manage("clear", path_of(function), "1")

        assert f"(other processes are told, and forget it: MemoryCache, coherence='{mode}')\n" in printed

    def test_or_not_in_other_processes_keeps_it(self, manage, kept_true):
        function = kept_true("off")
        printed = manage("clear", path_of(function), "1")

        assert "(other processes keep what they have in memory: MemoryCache for ever)\n" in printed

    def test_of_a_tiered_cache_is_told_of_by_stats(self, manage, shared):
        default = {"BACKEND": "quickcache.django.TieredCache", "LOCATION": shared.server().url}
        with override_settings(CACHES={**CACHES, "default": default}):

            @get_django_quickcache(timeout=300, memoize_timeout=0)(["a"])
            def function(a):
                return a

            assert "\n  coherence: tracking: memory is " in manage("stats", path_of(function))


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
class TestAProject:
    """manage.py of a project of its own: what another process has cached is found, shown and cleared."""

    SETTINGS = """
        SECRET_KEY = "tests"
        INSTALLED_APPS = ["quickcache.django"]
        ROOT_URLCONF = "urls"
        CACHES = {{
            "default": {{
                "BACKEND": "quickcache.django.RedisCache",
                "LOCATION": {url!r},
                "OPTIONS": {{"deadline": 60}},
            }},
            "locmem": {{"BACKEND": "quickcache.django.MemoryCache", "LOCATION": "pages"}},
        }}
    """
    URLS = """
        from views import groups

        urlpatterns = []
    """
    VIEWS = """
        from quickcache.django import get_django_quickcache

        @get_django_quickcache(timeout=300, memoize_timeout=10)(["user_id"])
        def groups(user_id):
            return ["staff", user_id]
    """

    @pytest.fixture
    def project(self, tmp_path, shared):
        server = shared.server()
        server.cli("FLUSHALL")
        files = {"settings": self.SETTINGS.format(url=server.url), "urls": self.URLS, "views": self.VIEWS}
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return tmp_path

    def run(self, project, *command):
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(project)},
        )
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    def test_is_looked_at_from_the_command_line(self, project):
        manage = ("-m", "django", "quickcache")
        listed = self.run(project, *manage, "list")
        assert "views.groups\n" in listed
        assert "  tiers     locmem for 10 s, then default for 300 s\n1 decorated function\n" in listed

        self.run(project, "-c", "import django; django.setup(); from views import groups; groups(7)")

        got = self.run(project, *manage, "get", "views.groups", "7")
        assert "locmem: nothing\ndefault: ['staff', 7]\n(memory is each process's own" in got
        assert "cleared quickcache.groups." in self.run(
            project, *manage, "clear", "views.groups", "--kwarg", "user_id=7"
        )
        assert "default: nothing\n" in self.run(project, *manage, "get", "views.groups", "7")

    def test_takes_djangos_options_behind_the_action(self, project):
        printed = self.run(
            project, "-m", "django", "quickcache", "list", "--settings", "settings", "--no-color", "-v", "2"
        )

        assert "1 decorated function\n" in printed

    def test_has_help_for_each_action(self, project):
        for action in ("list", "stats", "get", "clear"):
            printed = self.run(project, "-m", "django", "quickcache", action, "--help")
            assert f"quickcache {action} [-h]" in printed
