"""The proxy makes each fault, as redis-py and a bare socket see it."""

import socket

import pytest
import redis
from redis_servers import faults, waiting
from redis_servers.ports import HOST
from redis_servers.wire import packed

NO_RETRY = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
PING, PONG = packed("PING"), b"+PONG\r\n"
SHORT = 0.05  # seconds after which a client gives up that shall get no answer


@pytest.fixture
def client(proxy):
    """A client that tries once, with its connection open."""
    with redis.Redis(host=HOST, port=proxy.port, retry=NO_RETRY, socket_timeout=waiting.LIMIT) as client:
        assert client.ping()
        yield client


@pytest.fixture
def bare(proxy):
    """A connection without a client."""
    with socket.create_connection((HOST, proxy.port), timeout=waiting.LIMIT) as bare:
        bare.sendall(PING)
        assert PONG == bare.recv(7)
        yield bare


def test_passes_all_on(proxy, client, prefix):
    value = bytes(range(256)) * 20_000
    client.set(prefix, value)

    assert value == client.get(prefix)


def test_delays_what_passes(proxy, bare):
    """Seen by the order of what happens, not by a clock."""
    before = proxy.counts()
    proxy.set(requests=faults.delay(3600))
    bare.sendall(PING)
    waiting.until("the proxy has the request", lambda: proxy.counts().requests > before.requests)
    assert before.replies == proxy.counts().replies

    proxy.set(requests=faults.delay(0.001))
    assert PONG == bare.recv(7)


@pytest.mark.parametrize("way", ["requests", "replies"])
def test_a_black_hole_swallows_what_comes_also_on_new_connections(proxy, client, way):
    proxy.set(**{way: faults.BLACK_HOLE})
    with redis.Redis(host=HOST, port=proxy.port, retry=NO_RETRY, socket_timeout=SHORT) as other:
        for _ in range(2):
            with pytest.raises(redis.TimeoutError):
                other.ping()

    proxy.heal()
    assert client.ping()


def test_what_fell_into_a_black_hole_is_gone(proxy, bare):
    before = proxy.counts().replies
    proxy.set(replies=faults.BLACK_HOLE)
    bare.sendall(PING)
    waiting.until("the reply was swallowed", lambda: proxy.counts().replies > before)
    proxy.heal()
    bare.sendall(packed("ECHO", "after"))

    assert b"$5\r\nafter\r\n" == bare.recv(100)


def test_what_waits_behind_a_half_open_link_comes_when_it_heals(proxy, bare):
    before = proxy.counts().requests
    proxy.set(requests=faults.HALF_OPEN, replies=faults.HALF_OPEN)
    bare.sendall(PING)
    bare.settimeout(SHORT)
    with pytest.raises(TimeoutError):
        bare.recv(7)

    proxy.heal()
    bare.settimeout(waiting.LIMIT)
    assert PONG == bare.recv(7)
    assert proxy.counts().requests > before


def test_harms_only_those_that_listen_if_told_so(proxy, bare):
    with socket.create_connection((HOST, proxy.port), timeout=waiting.LIMIT) as listening:
        listening.sendall(packed("SUBSCRIBE", "channel"))
        assert listening.recv(100)
        proxy.set(replies=faults.HALF_OPEN, listening=True)
        for one in (listening, bare):
            one.sendall(PING)
        assert PONG == bare.recv(7)
        listening.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            listening.recv(1)
        proxy.heal()
        listening.settimeout(waiting.LIMIT)
        assert listening.recv(100)


def test_a_reset_breaks_open_connections_and_new_ones(proxy, bare):
    proxy.set(replies=faults.RESET)
    with pytest.raises(ConnectionResetError):
        bare.recv(7)

    with pytest.raises(ConnectionResetError), socket.create_connection((HOST, proxy.port)) as other:
        other.recv(7)

    proxy.heal()
    with socket.create_connection((HOST, proxy.port), timeout=waiting.LIMIT) as other:
        other.sendall(PING)
        assert PONG == other.recv(7)


def test_truncates_a_reply_and_hangs_up(proxy, client, prefix):
    client.set(prefix, "value")
    client.connection_pool.disconnect()
    with socket.create_connection((HOST, proxy.port), timeout=waiting.LIMIT) as bare:
        proxy.set(replies=faults.truncate(6))
        bare.sendall(packed("GET", prefix))
        got = b""
        while part := bare.recv(100):
            got += part

    assert b"$5\r\nva" == got


@pytest.mark.parametrize("fault", [faults.RANDOM, faults.FLIP], ids=str)
def test_garbles_replies(proxy, bare, fault):
    proxy.set(replies=fault)
    bare.sendall(PING)
    got = bare.recv(7)

    changed = [(one ^ other).bit_count() for one, other in zip(PONG, got, strict=True)]
    assert sum(changed) == 1 if fault is faults.FLIP else sum(changed) > 1


def test_trickles_byte_by_byte(proxy, bare):
    proxy.set(replies=faults.trickle(0.001))
    bare.sendall(PING)

    assert [bytes([byte]) for byte in PONG] == [bare.recv(1) for _ in PONG]
    bare.sendall(PING)
    assert 1 == len(bare.recv(7))


def test_refuses_connections_and_takes_them_again(proxy, client):
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, proxy.port))

    proxy.heal()
    assert client.ping()


def test_drops_connections_once(proxy, bare):
    assert 1 == proxy.counts().open
    proxy.drop()
    assert 0 == proxy.counts().open
    with pytest.raises(ConnectionResetError):
        bare.recv(7)

    with socket.create_connection((HOST, proxy.port), timeout=waiting.LIMIT) as other:
        other.sendall(PING)
        assert PONG == other.recv(7)
