"""The tests' servers do what the tests of the cache take for granted, as redis-py sees it."""

import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.crc import key_slot
from redis_servers import waiting
from redis_servers.binaries import redis62, valkey
from redis_servers.certificates import Certificates
from redis_servers.cluster import Cluster, Move
from redis_servers.ports import HOST, Port
from redis_servers.proxy import Proxy
from redis_servers.sentinel import Sentinels
from redis_servers.server import Server, User

NO_RETRY = redis.retry.Retry(redis.backoff.NoBackoff(), 0)


@pytest.fixture
def connect():
    """A client of redis-py that tries once, by the URL of a server; closed in the end."""
    with ExitStack() as stack:

        def connect(url, **options):
            options = {"retry": NO_RETRY, "socket_timeout": waiting.LIMIT, **options}
            return stack.enter_context(redis.Redis.from_url(url, **options))

        yield connect


class TestPrograms:
    def test_are_the_ones_they_are_called(self):
        assert (9, (6, 2)) == (valkey().version[0], redis62().version[:2])


class TestAServer:
    def test_answers_by_its_port_and_by_its_socket(self, connect, program):
        with Server(program) as server:
            connect(server.url).set("k", "v")

            assert b"v" == connect(server.unix_url).get("k")

    def test_wants_its_password(self, connect, program):
        with Server(program, password='pass"word \\@:/') as server:
            assert connect(server.url).ping()
            assert connect(server.unix_url).ping()
            with pytest.raises(redis.AuthenticationError):
                connect(f"redis://{HOST}:{server.port}").ping()

    def test_lets_a_user_do_what_the_rules_say(self, connect, program):
        with Server(program, users=[User("one@user:1", "p@ss:/w", "~mine:* +@all")]) as server:
            client = connect(server.url)
            assert client.set("mine:k", 1)
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.set("k", 1)
            with pytest.raises(redis.AuthenticationError):
                connect(f"redis://{HOST}:{server.port}").ping()

    def test_has_the_memory_it_is_given(self, connect, program):
        with Server(program, maxmemory="8mb") as server:
            client = connect(server.url)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.set("k", bytes(10_000_000))

    @pytest.mark.parametrize("how", ["open", "password", "users"])
    def test_has_replicas_that_follow_and_take_no_writes(self, connect, program, how):
        options = {"open": {}, "password": {"password": "se cret"}, "users": {"users": [User("u", "p")]}}[how]
        with Server(program, **options) as primary:
            connect(primary.url).set("k", "v")
            with Server(program, replica_of=primary) as replica:
                assert b"v" == replica.cli("GET", "k")
                with pytest.raises(redis.exceptions.ReadOnlyError):
                    connect(replica.url).set("k", "w")

    @pytest.mark.parametrize("persistence", ["off", "save", "append"])
    def test_keeps_in_a_restart_only_what_is_persistent(self, connect, program, persistence):
        with Server(program, persistence=persistence) as server:
            url = server.url
            connect(url).set("k", "v")
            server.restart()
            assert (None if persistence == "off" else b"v") == connect(url).get("k")

    def test_loses_in_a_kill_what_was_not_written(self, connect, program):
        for persistence, kept in (("save", None), ("append", b"v")):
            with Server(program, persistence=persistence) as server:
                connect(server.url).set("k", "v")
                server.kill()
                with pytest.raises(redis.ConnectionError):
                    connect(server.url).get("k")
                server.restart()
                assert kept == connect(server.url).get("k")

    def test_answers_nothing_while_it_is_paused(self, connect, server):
        client = connect(server.url, socket_timeout=0.05)
        assert client.ping()
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()

        server.resume()
        assert connect(server.url).ping()

    def test_tells_the_commands_it_runs(self, connect, program):
        key = b'a "key"\x00\xff\n\\'
        with Server(program) as server, server.monitor() as commands:
            client = connect(server.url.removesuffix("0") + "3")
            client.set(key, "v")
            client.eval("return redis.call('GET', KEYS[1])", 1, key)

        seen = [command for command in commands if command.name in {"SET", "GET"}]
        assert [(3, (b"SET", key, b"v")), (3, (b"GET", key))] == [(c.database, c.arguments) for c in seen]
        assert "lua" == seen[1].client

    def test_takes_another_port_if_its_own_is_taken(self, connect, program):
        server = Server(program)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, server.port))
            other.listen()
            with server:
                assert other.getsockname()[1] != server.port
                assert connect(server.url).ping()

    def test_that_cannot_start_says_why(self, program):
        with (
            pytest.raises(AssertionError, match=r"has ended:[\s\S]*no-such-setting"),
            Server(program, settings={"no-such-setting": "1"}),
        ):
            pass


class TestPorts:
    @pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux keeps them")
    def test_are_given_to_nobody_else_while_nobody_listens(self):
        port = Port()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((HOST, port.number))
        port.release()


class TestTLS:
    def test_takes_only_clients_with_a_certificate(self, connect, shared):
        with Proxy(shared.server().socket_path, shared.certificates, ask_client=True) as tls:
            files = shared.certificates
            client = {"ssl_certfile": files.client, "ssl_keyfile": files.client_key}
            assert connect(tls.url, ssl_ca_certs=files.authority, **client).ping()
            with pytest.raises(redis.ConnectionError):
                connect(tls.url, ssl_ca_certs=files.authority).ping()

    def test_shows_a_certificate_of_its_authority_and_name(self, connect, shared):
        for files, authority in (
            (shared.certificates, Certificates.make().authority),
            ((other := Certificates.make("elsewhere.example")), other.authority),
        ):
            with Proxy(shared.server().socket_path, files) as tls:
                with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                    connect(tls.url, ssl_ca_certs=authority).ping()
                assert connect(tls.url, ssl_ca_certs=files.authority, ssl_check_hostname=False).ping()


class TestSentinels:
    def test_put_a_replica_in_the_place_of_a_dead_primary(self, program):
        with Sentinels(program, password="secret", sentinel_password="other") as sentinels:
            asked, client = self.clients(sentinels)
            client.set("k", "v")
            old = sentinels.primary()
            new = sentinels.kill_primary()

            assert (HOST, new.port) == asked.discover_master(sentinels.service)
            assert {*sentinels.servers} - {old} == {new, *sentinels.replicas()}
            assert b"v" == client.get("k")

    def test_make_a_replica_the_primary_when_told_to(self, program):
        with Sentinels(program, password="secret", sentinel_password="other") as sentinels:
            asked, client = self.clients(sentinels)
            client.set("k", "v")
            old = sentinels.primary()
            new = sentinels.failover()

            assert (HOST, new.port) == asked.discover_master(sentinels.service)
            assert {*sentinels.servers} == {new, old, *sentinels.replicas()}
            assert b"v" == client.get("k")

    def clients(self, sentinels):
        places = [(HOST, sentinel.port) for sentinel in sentinels.sentinels]
        asked = redis.Sentinel(places, sentinel_kwargs={"password": sentinels.sentinel_password})
        return asked, asked.master_for(sentinels.service, password=sentinels.password)


class TestACluster:
    KEYS = ("{tag}1", "{tag}2")
    SLOT = key_slot(b"tag")

    def test_moves_slots_and_has_replicas_take_over(self, program):
        with Cluster(program, password="secret") as cluster:
            client = redis.RedisCluster(host=HOST, port=cluster.nodes[0].port, password="secret")
            for key in self.KEYS:
                client.set(key, key)
            owner = cluster.owner(self.SLOT)
            self.move_step_by_step(cluster, owner)
            assert [key.encode() for key in self.KEYS] == client.mget(self.KEYS)

            cluster.move_slot(self.SLOT, owner)
            taken = cluster.failover(self.SLOT)
            assert (taken, "slave") == (cluster.owner(self.SLOT), owner.info("replication")["role"])
            assert [key.encode() for key in self.KEYS] == client.mget(self.KEYS)

            cluster.kill(taken)
            assert owner is cluster.owner(self.SLOT)
            assert [key.encode() for key in self.KEYS] == client.mget(self.KEYS)

            taken.restart()
            cluster.settle()
            assert "slave" == taken.info("replication")["role"]

    def move_step_by_step(self, cluster, owner):
        first, second = self.KEYS
        other = next(node for node in cluster.primaries() if node is not owner)
        move = Move(cluster, self.SLOT, other)
        move.begin()
        move.migrate(first)

        assert [second.encode()] == move.keys()
        with pytest.raises(Exception, match=f"^ASK {self.SLOT} {HOST}:{other.port}$"):
            owner.cli("GET", first)
        with pytest.raises(Exception, match=f"^MOVED {self.SLOT} {HOST}:{owner.port}$"):
            other.cli("GET", first)
        with other.connect() as asking:
            asking.ask("ASKING")
            assert first.encode() == asking.ask("GET", first)
            asking.ask("ASKING")
            with pytest.raises(Exception, match=r"^TRYAGAIN"):
                asking.ask("MGET", first, second)

        move.migrate(second)
        move.finish()
        assert other is cluster.owner(self.SLOT)


def test_every_shared_server_is_one_for_a_client_too(shared_tier_server, prefix):
    shared_tier_server.client.set(prefix + "k", "v", px=60_000)

    assert b"v" == shared_tier_server.client.get(prefix + "k")


# The program tells the ports it has open, and waits to be ended.
STARTED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from redis_servers.binaries import redis62, valkey
from redis_servers.proxy import Proxy
from redis_servers.server import Server
from redis_servers.watchdog import watchdog

with Server(valkey()) as one, Server(redis62()) as other, Proxy(one.port) as proxy:
    other.pause()
    print(watchdog().folder, one.port, other.port, proxy.port, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_tests_are_ended(how):
    command = [sys.executable, "-c", STARTED, str(Path(__file__).parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as tests:
        folder, *ports = tests.stdout.readline().decode().split()
        assert Path(folder).is_dir()
        tests.send_signal(how)

    waiting.until("its folder is gone", lambda: not Path(folder).exists())
    waiting.until("its ports are closed", lambda: not any(is_open(int(port)) for port in ports))


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) == 0
