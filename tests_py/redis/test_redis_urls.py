"""What each URL connects to, and that no password is shown anywhere."""

import contextlib
import copy
import logging
import pickle
from urllib.parse import quote

import pytest
from redis_servers import waiting
from redis_servers.binaries import valkey
from redis_servers.ports import HOST
from redis_servers.sentinel import Sentinels
from redis_servers.server import Server, User
from redis_servers.sharing import CACHE_USER, OTHER_PASSWORD, PASSWORD

import quickcache
from quickcache import CacheUnavailableError, RedisCache, ReplicaReadsWarning

USER, SECRET = quote(CACHE_USER.name, safe=""), quote(PASSWORD, safe="")
OTHER_SECRET = quote(OTHER_PASSWORD, safe="")


@pytest.fixture
def make(prefix):
    """Make a cache that raises what goes wrong; closed in the end."""
    with contextlib.ExitStack() as stack:

        def make(url, **options):
            options = {"key_prefix": prefix, "deadline": waiting.LIMIT, "on_error": "raise", **options}
            return stack.enter_context(contextlib.closing(RedisCache(url, **options)))

        yield make


def is_in(server, db, key):
    """Whether a database has a key."""
    with server.connect() as connection:
        connection.ask("SELECT", db)
        return connection.ask("EXISTS", key) == 1


class TestOneServer:
    @pytest.mark.parametrize(
        ("url", "db"),
        [
            ("redis://127.0.0.1:{port}", 0),
            ("redis://127.0.0.1:{port}/", 0),
            ("redis://127.0.0.1:{port}/0", 0),
            ("redis://127.0.0.1:{port}/3", 3),
            ("redis://127.0.0.1:{port}?db=3", 3),
            ("redis://127.0.0.1:{port}/0?db=3", 3),
            ("redis://localhost:{port}/1", 1),
            ("unix://{path}", 0),
            ("unix://{path}?db=3", 3),
            (["redis://127.0.0.1:{port}/3"], 3),
        ],
        ids=str,
    )
    def test_is_found_with_its_database(self, shared, make, prefix, url, db):
        server = shared.server()
        places = {"port": server.port, "path": server.socket_path}
        filled = url.format(**places) if isinstance(url, str) else [one.format(**places) for one in url]
        make(filled).set("k", 1)

        assert [db] == [other for other in range(5) if is_in(server, other, prefix + "k")]

    @pytest.mark.parametrize(
        "url",
        [
            f"redis://{USER}:{SECRET}@127.0.0.1:{{port}}/0",
            f"redis://127.0.0.1:{{port}}/0?username={USER}&password={SECRET}",
            f"redis://{USER}@127.0.0.1:{{port}}?password={SECRET}",
            f"unix://{USER}:{SECRET}@{{path}}",
            f"unix://{{path}}?username={USER}&password={SECRET}&db=0",
        ],
    )
    def test_is_told_who_logs_in(self, shared, make, url):
        server = shared.with_users()
        cache = make(url.format(port=server.port, path=server.socket_path))
        cache.set("k", 1)

        assert 1 == cache.get("k")

    @pytest.mark.parametrize("url", [f"redis://:{SECRET}@{{at}}", f"redis://{{at}}?password={SECRET}"])
    def test_is_told_a_password_alone(self, make, url):
        with Server(valkey(), password=PASSWORD) as server:
            cache = make(url.format(at=f"{HOST}:{server.port}"))
            cache.set("k", 1)
            assert 1 == cache.get("k")

    def test_knows_connections_by_their_name(self, shared, make):
        cache = make(f"{shared.server().url}?client_name=quickcache-test")
        cache.set("k", 1)

        assert b"name=quickcache-test" in shared.server().cli("CLIENT", "LIST")

    def test_is_not_connected_to_before_it_is_used(self, proxy, make):
        before = proxy.counts().accepted
        cache = make(proxy.url)
        repr(cache)
        cache.stats()
        assert (before, 0) == (proxy.counts().accepted, cache.stats()["connections"])

        cache.get("k")
        assert (before + 1, 1) == (proxy.counts().accepted, cache.stats()["connections"])


class TestTLS:
    def test_takes_files_from_the_url_or_from_options(self, shared, make):
        files, url = shared.certificates, shared.tls().url
        named = {
            "ssl_ca_certs": files.authority,
            "ssl_certfile": files.client,
            "ssl_keyfile": files.client_key,
        }
        query = "&".join(f"{name}={quote(path, safe='')}" for name, path in named.items())
        for cache in (make(url, **named), make(f"{url}?{query}")):
            cache.set("k", 1)
            assert 1 == cache.get("k")

    def test_does_without_a_certificate_of_the_servers_if_told_to(self, shared, make):
        files, url = shared.certificates, shared.tls().url
        own = {"ssl_certfile": files.client, "ssl_keyfile": files.client_key}
        with pytest.raises(CacheUnavailableError):
            make(url, **own).get("k")

        cache = make(url, ssl_cert_reqs="none", ssl_check_hostname=False, **own)
        cache.set("k", 1)
        assert 1 == cache.get("k")

    def test_needs_the_clients_certificate_where_the_server_wants_one(self, shared, make):
        with pytest.raises(CacheUnavailableError):
            make(shared.tls().url, ssl_ca_certs=shared.certificates.authority, deadline=0.5).get("k")


class TestAPrimaryWithReplicas:
    def test_is_written_to_and_they_are_read(self, make, prefix):
        with Server(valkey()) as primary, Server(valkey(), replica_of=primary) as replica:
            with pytest.warns(ReplicaReadsWarning, match="leases"):
                cache = make([primary.url, replica.url])
            assert cache.leases is False
            with primary.monitor() as at_primary, replica.monitor() as at_replica:
                cache.set("k", 1)
                cache.get("k")

            assert {"SET"} == {one.name for one in at_primary} - {"PING", "REPLCONF", "ECHO"}
            assert ["GET"] == [one.name for one in at_replica if one.name == "GET"]
            replica.kill()
            waiting.until("the primary is read", lambda: cache.get("k") == 1)


class TestSentinels:
    def test_name_the_primary_with_passwords_of_their_own(self, shared, make, prefix):
        sentinels = shared.sentinels()
        cache = make(sentinels.url)
        cache.set("k", 1)

        assert is_in(sentinels.primary(), 0, prefix + "k")

    def test_that_are_away_are_passed_over(self, shared, make, prefix):
        sentinels = shared.sentinels()
        url = sentinels.url.replace(str(sentinels.sentinels[0].port), "1")
        cache = make(url)
        cache.set("k", 1)

        assert 1 == cache.get("k")

    def test_are_asked_again_after_a_failover(self, make, prefix):
        with Sentinels(valkey()) as sentinels:  # its own, since clients of the shared ones would notice
            cache = make(sentinels.url, on_error="miss")
            cache.set("before", 1)
            new = sentinels.failover()

            waiting.until("it is written", lambda: cache.set("after", 2) or is_in(new, 0, prefix + "after"))
            both = {"before": 1, "after": 2}
            waiting.until("it is read", lambda: cache.get_many(["before", "after"]) == both)

    def test_that_do_not_know_the_service_are_told_of(self, shared, make):
        url = shared.sentinels().url.replace("mymaster", "another")
        with pytest.raises(CacheUnavailableError, match="another"):
            make(url, deadline=1).get("k")


class TestAClusters:
    def test_nodes_are_found_by_one_of_them(self, shared, make, prefix):
        cluster = shared.cluster()
        values = {f"k{i}": i for i in range(100)}
        first, *_, last = (f"redis+cluster://:{SECRET}@{HOST}:{node.port}" for node in cluster.nodes)
        for url in (cluster.url, first, last, [first, last]):
            cache = make(url)
            cache.set_many(values)
            assert values == cache.get_many(values)
            cache.clear()
            assert {} == cache.get_many(values)


class TestWhatIsShown:
    """A wrong password, in each place that there is for one, and the server's answer to it."""

    URLS = (
        "redis://:SECRET@{at}/0",
        "redis://someone:SECRET@{at}/0",
        "redis://SECRET@{at}/0",
        "redis://{at}/0?username=someone&password=SECRET",
        "unix://someone:SECRET@{path}?db=0",
        "unix://{path}?password=SECRET",
        "redis+sentinel://:SECRET@{sentinel}/mymaster/0?sentinel_password=" + OTHER_SECRET,
        "redis+sentinel://{sentinel}/mymaster/0?sentinel_password=SECRET",
        "redis+cluster://:SECRET@{node}",
    )
    SECRET = "s3cr3t-of-the-test"

    @pytest.fixture(params=URLS)
    def url(self, request, shared):
        server = shared.with_users()
        return request.param.replace("SECRET", self.SECRET).format(
            at=f"{HOST}:{server.port}",
            path=server.socket_path,
            sentinel=f"{HOST}:{shared.sentinels().sentinels[0].port}",
            node=f"{HOST}:{shared.cluster().nodes[0].port}",
        )

    def test_has_no_password(self, url, make, caplog):
        cache = make(url, deadline=0.5)
        texts = [repr(cache), str(cache), repr(cache.stats()), repr(copy.copy(cache)), f"{[cache]}"]
        with caplog.at_level(logging.DEBUG):
            for call in (cache.ping, lambda: cache.get("k"), lambda: cache.set("k", 1)):
                with pytest.raises(CacheUnavailableError) as caught:
                    call()
                texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
            make(url, deadline=0.5, on_error="miss").get("k")

        assert caplog.text
        assert [] == [text for text in [*texts, caplog.text] if self.SECRET in text]

    @pytest.mark.parametrize(
        "wrong",
        [
            "redis://:SECRET@host:port",
            "redis://:SECRET@host/database",
            "redis://:SECRET@host?option=1",
            "rediss://:SECRET@host?ssl_cert_reqs=perhaps",
            "redis://host?password=SECRET&option=1",
            "redis:/:SECRET@host",
            "http://user:SECRET@host",
            "redis+sentinel://:SECRET@host",
            "redis+cluster://:SECRET@host/7",
            "unix://:SECRET@relative",
        ],
    )
    def test_of_a_url_that_is_refused_has_none_either(self, wrong):
        with pytest.raises(ValueError, match="url") as caught:
            RedisCache(wrong.replace("SECRET", self.SECRET))

        assert self.SECRET not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"

    def test_by_a_decorator_has_none(self, url):
        cache = RedisCache(url)
        tiers = quickcache.TieredCache([quickcache.MemoryCache(), quickcache.CacheWithPresets(cache, 10)])

        assert self.SECRET not in f"{tiers!r} {quickcache.CacheWithPresets(cache, 10)!r}"


def test_a_copy_and_a_pickle_connect_to_the_same(shared, make, prefix):
    cache = make(shared.with_users().url)
    cache.set("k", 1)
    for other in (copy.copy(cache), copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert 1 == other.get("k")
        other.close()


NEEDED = ["ping", "get", "mget", "set", "del", "unlink", "scan", "exists", "pttl", "pexpire", "persist"]
NEEDED += ["incrby", "strlen", "getrange", "setrange", "append", "eval", "evalsha"]


def test_a_user_may_need_nothing_but_what_a_cache_does(make, prefix):
    """The least that a user is allowed: its own keys, and the commands that are sent."""
    allowed = " ".join(f"+{command}" for command in NEEDED)
    user = User("least", "p", f"~{prefix}* {allowed}")
    with Server(valkey(), users=[user]) as server:
        cache = make(server.url)
        cache.set("k", 1)
        cache.set_many({"a": 1, "b": [2]})
        assert ({"a": 1, "b": [2]}, 2) == (cache.get_many("ab"), cache.incr("k"))
        assert (True, False, True) == (cache.touch("k", 10), cache.add("k", 3), cache.delete("k"))
        cache.clear()
        assert 0 == cache.delete_many("ab")
        assert 0 < cache.ping()

        @quickcache.get_quickcache(cache=cache)(["x"], skip_arg="fresh")
        def double(x, fresh=False):
            return [x, x]

        assert [[5, 5]] * 3 == [double(5), double(5), double(5, fresh=True)]
        double.clear(5)
        assert ([5, 5], 0) == (double(5), cache.stats()["errors"])
