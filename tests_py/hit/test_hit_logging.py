"""Debug lines appear with the next call after they are switched on, and vanish with the next after that."""

import logging
import logging.config
from unittest import mock

import pytest

from quickcache import MemoryCache, TieredCache, get_quickcache

LOGGER = logging.getLogger("quickcache")


@pytest.fixture(params=["memory", "tiered", "attribute"])
def cached(request, hot):
    """A decorated function whose call has become a hot hit, and that call."""
    cache = TieredCache([MemoryCache()]) if request.param == "tiered" else MemoryCache()
    path = "x.real" if request.param == "attribute" else "x"

    @get_quickcache(cache=cache)([path])
    def compute(x):
        return x

    hot(compute, 1)
    return compute


@pytest.fixture
def lines(cached):
    """How many debug lines one hot hit makes, as a filter on the logger sees them."""
    seen = []

    def see(record):
        seen.append(record.getMessage())
        return True

    def count():
        seen.clear()
        assert 1 == cached(1)
        return len(seen)

    LOGGER.addFilter(see)
    yield count
    LOGGER.removeFilter(see)


@pytest.fixture(autouse=True)
def _as_before():
    """Logging is the process's own: leave it as it was."""
    root = logging.getLogger()
    state = [(logger, logger.level, logger.disabled, logger.handlers[:]) for logger in (root, LOGGER)]
    others = logging.Logger.manager.loggerDict.values()
    disabled = [(one, one.disabled) for one in others if isinstance(one, logging.Logger)]
    propagates = LOGGER.propagate
    yield
    logging.disable(logging.NOTSET)
    for logger, was_disabled in disabled:
        logger.disabled = was_disabled
    for logger, level, was_disabled, handlers in state:
        logger.setLevel(level)
        logger.disabled = was_disabled
        logger.handlers[:] = handlers
    LOGGER.propagate = propagates


def per_hit(cached):
    """A line for the call, one for the key, and two on which tier had it."""
    return 4 if isinstance(cached.clear.__self__.cache, TieredCache) else 2


def test_are_none_by_default(lines):
    assert [0, 0] == [lines(), lines()]


@pytest.mark.parametrize("logger", [LOGGER, logging.getLogger()], ids=["own", "root"])
def test_by_a_level(cached, lines, logger):
    before = logger.level
    for _ in range(3):
        logger.setLevel(logging.DEBUG)
        assert [per_hit(cached)] * 2 == [lines(), lines()]
        logger.setLevel(logging.INFO)
        assert [0, 0] == [lines(), lines()]
    logger.setLevel(before)


def test_by_a_level_below_debug(cached, lines):
    LOGGER.setLevel(1)
    assert per_hit(cached) == lines()
    LOGGER.setLevel(logging.DEBUG + 1)
    assert 0 == lines()


def test_by_the_whole_of_logging_enabled_again(cached, lines):
    LOGGER.setLevel(logging.DEBUG)
    for _ in range(3):
        logging.disable(logging.DEBUG)
        assert [0, 0] == [lines(), lines()]
        logging.disable(logging.NOTSET)
        assert [per_hit(cached)] * 2 == [lines(), lines()]


def test_by_a_logger_enabled_again(cached, lines):
    LOGGER.setLevel(logging.DEBUG)
    for _ in range(3):
        LOGGER.disabled = True
        assert [0, 0] == [lines(), lines()]
        LOGGER.disabled = False
        assert [per_hit(cached)] * 2 == [lines(), lines()]


def test_by_a_level_set_while_the_logger_was_disabled(cached, lines):
    """A disabled logger remembers no levels, so that there is nothing whose loss could be noticed."""
    LOGGER.disabled = True
    assert 0 == lines()
    LOGGER.setLevel(logging.DEBUG)
    assert 0 == lines()
    LOGGER.disabled = False
    assert per_hit(cached) == lines()


@pytest.mark.parametrize("where", ["quickcache", "root"])
@pytest.mark.parametrize("disables", [False, True])
def test_by_a_configuration(cached, lines, where, disables):
    def configure(level, *loggers):
        settings = {"version": 1, "disable_existing_loggers": disables}
        settings["loggers"] = {name: {"level": level} for name in loggers}
        if where == "root":
            settings["root"] = {"level": level}
        logging.config.dictConfig(settings)

    is_named = where == "quickcache"
    names = ["quickcache"] if is_named else []
    expected = per_hit(cached) if is_named or not disables else 0
    for _ in range(2):
        configure("DEBUG", *names)
        assert [expected] * 2 == [lines(), lines()]
        configure("WARNING", *names)
        assert [0, 0] == [lines(), lines()]


def test_by_a_configuration_that_disables_the_logger(cached, lines):
    LOGGER.setLevel(logging.DEBUG)
    assert per_hit(cached) == lines()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    assert [0, 0] == [lines(), lines()]


def test_by_another_parent(cached, lines):
    parent, talkative = LOGGER.parent, logging.getLogger("talkative")
    talkative.setLevel(logging.DEBUG)
    LOGGER.parent = talkative
    try:
        LOGGER.manager._clear_cache()
        assert per_hit(cached) == lines()
    finally:
        LOGGER.parent = parent
        LOGGER.manager._clear_cache()
    assert 0 == lines()


def test_reach_a_handler_that_is_added_later(cached):
    records = []

    class Keeper(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    handler = Keeper()
    cached(1)
    LOGGER.addHandler(handler)
    cached(1)
    assert [] == records
    LOGGER.setLevel(logging.DEBUG)
    cached(1)
    assert [f"checking caches for {cached.__name__}", cached.get_cache_key(1)] == records[:2]
    records.clear()
    LOGGER.removeHandler(handler)
    cached(1)
    assert [] == records


def test_reach_caplog(cached, caplog):
    for _ in range(2):
        with caplog.at_level(logging.DEBUG):
            cached(1)
        assert per_hit(cached) == len(caplog.messages)
        caplog.clear()
        cached(1)
        assert [] == caplog.messages
        with caplog.at_level(logging.DEBUG, logger="quickcache"):
            cached(1)
        assert per_hit(cached) == len(caplog.messages)
        caplog.clear()


def test_reach_a_mock_in_the_place_of_debug(cached):
    for _ in range(3):
        with mock.patch.object(LOGGER, "debug") as debug:
            cached(1)
            cached(1)
        assert 2 * per_hit(cached) == debug.call_count
        assert mock.call(f"checking caches for {cached.__name__}") == debug.call_args_list[0]
        cached(1)
        assert 2 * per_hit(cached) == debug.call_count


def test_reach_a_mock_in_the_place_of_the_classes_debug(cached):
    for _ in range(3):
        with mock.patch.object(logging.Logger, "debug") as debug:
            cached(1)
        assert per_hit(cached) == debug.call_count


def test_leave_a_hit_a_hit(hot):
    computed = []

    @get_quickcache(cache=MemoryCache())(["x"])
    def compute(x):
        computed.append(x)

    for level in (logging.NOTSET, logging.DEBUG, logging.NOTSET):
        LOGGER.setLevel(level)
        hot(compute, 1)
    assert [1] == computed


class TestAHandlerThatRaises:
    """Whoever installs one is told so, at a hit as at a miss; nothing else is upset."""

    @pytest.fixture
    def raising(self):
        class Raising(logging.Handler):
            def handle(self, record):
                raise LookupError(record.getMessage())

        handler = Raising()
        LOGGER.addHandler(handler)
        yield handler
        LOGGER.removeHandler(handler)

    def test_in_a_debug_line_raises_at_a_hit(self, cached, raising):
        LOGGER.setLevel(logging.DEBUG)
        with pytest.raises(LookupError, match="checking caches"):
            cached(1)
        LOGGER.setLevel(logging.NOTSET)
        assert 1 == cached(1)

    def test_in_a_warning_is_what_the_caller_gets_or_nothing(self, run_apart):
        """A value that cannot be read is a miss with a warning, and no error may be left behind by that."""
        told = run_apart("""
            import logging

            class Raising(logging.Handler):
                def handle(self, record):
                    raise LookupError(record.getMessage())

            logging.getLogger("quickcache").addHandler(Raising())

            class Value:
                broken = False

                def __getstate__(self):
                    return True

                def __setstate__(self, state):
                    if self.broken:
                        raise ValueError

            @get_quickcache(cache=MemoryCache())(["x"])
            def compute(x):
                return Value()

            for _ in range(5):
                compute(1)
            Value.broken = True
            try:
                print(type(compute(1)).__name__)
            except LookupError:
                print("Value")
        """)
        assert "Value\n" == told
