"""Real servers answer rightly while their workers are restarted: gunicorn, Celery and uWSGI."""

import signal
import sys
from pathlib import Path

import celery
import pytest
import servers
from redis_servers.binaries import valkey
from redis_servers.server import Server


@pytest.fixture
def wanted(is_full):
    """How many requests or tasks."""
    return 3_000 if is_full else 200


@pytest.fixture
def redis():
    """A server that the workers' caches are on."""
    with Server(valkey()) as one:
        yield one


@pytest.fixture
def start(tmp_path, redis):
    """Start a server; in the end nothing of it is left."""
    started = []
    truth = tmp_path / "truth"
    truth.write_bytes(bytes(4_096))

    def start(command, env=None):
        env = {"SERVED_REDIS": str(redis.port), "SERVED_TRUTH": str(truth), **(env or {})}
        server = servers.Server(tmp_path / f"log{len(started)}", [sys.executable, *command], env)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()


def check(server, answers, wanted, record_property, *, inherits):
    """All was answered, from caches, and by workers that came and went; no log has a complaint."""
    processes = {answer["pid"] for answer in answers}
    asked, hits, inherited = (
        sum(answer[count] for answer in answers) for count in ("asked", "hits", "inherited")
    )
    of_server = sum(answer["hits on server"] for answer in answers)
    record_property(
        "seen",
        f"{len(answers)} answers of {len(processes)} processes: {asked} calls, {hits} hits, "
        f"{inherited} of values from before the fork; {of_server} hits on the server",
    )
    check_connections(answers)
    assert of_server > len(answers)
    assert [] == server.complaints()
    assert len(answers) >= wanted
    assert len(processes) > servers.WORKERS
    assert asked / 4 < hits < asked
    assert inherits == (inherited > 0)


def check_connections(answers):
    """Each process has connections of its own to the server that the caches are on."""
    users = {}
    for answer in answers:
        assert answer["connections"] or sys.platform != "linux"
        for connection in answer["connections"]:
            users.setdefault(connection, set()).add(answer["pid"])
    assert {} == {connection: pids for connection, pids in users.items() if len(pids) > 1}


class TestGunicorn:
    @pytest.mark.parametrize("preload", [True, False], ids=["preload", "no preload"])
    @pytest.mark.parametrize("kind", ["sync", "gthread"])
    def test_answers_while_workers_are_restarted(self, start, wanted, record_property, kind, preload):
        command = ["-m", "gunicorn", "served_wsgi", "--bind", "127.0.0.1:0", "--no-control-socket"]
        command += ["--worker-class", kind, "--workers", str(servers.WORKERS)]
        command += ["--max-requests", str(max(wanted // 20, 30)), "--max-requests-jitter", "50"]
        command += ["--threads", "4"] if kind == "gthread" else []
        command += ["--preload"] if preload else []
        server = start(command, {"SERVED_BUSY": "all"})
        port = server.port()
        server.await_workers()

        def one_more_and_one_less():
            server.process.send_signal(signal.SIGTTIN)
            server.await_workers(servers.WORKERS + 1)
            server.process.send_signal(signal.SIGTTOU)
            server.await_workers()

        restarts = [server.replace_all, one_more_and_one_less, server.replace_one]
        answers = servers.ask_while(restarts, servers.over_http(port), wanted)
        server.stop()

        check(server, answers, wanted, record_property, inherits=preload)


class TestUWSGI:
    @pytest.mark.parametrize("lazy", [False, True], ids=["apps of the master", "lazy apps"])
    @pytest.mark.parametrize("hooks", [True, False], ids=["fork hooks", "no fork hooks"])
    def test_answers_while_workers_are_restarted(self, start, wanted, record_property, hooks, lazy):
        """Only with its fork hooks may threads of the master run Python while uWSGI forks.

        Without these, workers wait for ever for the interpreter that such a thread held, even with no cache.
        They use memory alone: before it reloads, uWSGI closes the sockets of the master under their hands.
        """
        port = servers.free_port()
        command = [str(Path(sys.executable).with_name("pyuwsgi")), "--wsgi-file", "served_wsgi.py"]
        command += ["--http-socket", f"127.0.0.1:{port}", "--pythonpath", str(servers.HERE)]
        command += ["--master", "--processes", str(servers.WORKERS), "--threads", "2", "--enable-threads"]
        command += ["--single-interpreter", "--need-app", "--die-on-term", "--disable-logging"]
        command += ["--binary-path", sys.executable]  # a reload would start the Python that has no pyuwsgi
        command += ["--hook-accepting", "exec:echo accepts $PPID"]
        command += ["--py-call-uwsgi-fork-hooks"] if hooks else []
        if lazy:
            command += ["--lazy-apps"]
        else:
            command += ["--max-requests", str(max(wanted // 20, 50)), "--min-worker-lifetime", "0"]
        server = start(command, {"SERVED_BUSY": "memory"} if hooks and not lazy else {})
        # A worker that is not there yet loses signals, and then the end of uWSGI takes a minute. A signal
        # ends one that waits for its hook.
        server.is_ready = lambda worker: (
            f"accepts {worker.pid}\n" in server.told() and not servers.children_of(worker)
        )
        server.await_workers()

        def replace_one():
            server.replace_one(signal.SIGHUP)

        answers = servers.ask_while([replace_one, server.replace_all], servers.over_http(port), wanted)
        server.stop()

        check(server, answers, wanted, record_property, inherits=not lazy)

    @pytest.mark.parametrize("single", [True, False], ids=["single interpreter", "many interpreters"])
    def test_two_applications_share_an_interpreter_or_are_told_to(self, start, single):
        command = [str(Path(sys.executable).with_name("pyuwsgi")), "--http-socket", "127.0.0.1:0", "--master"]
        command += ["--pythonpath", str(servers.HERE), "--die-on-term", "--manage-script-name"]
        command += ["--mount", "/one=served_wsgi.py", "--mount", "/two=served_wsgi.py"]
        command += ["--single-interpreter"] if single else []
        server = start(command)
        if single:
            server.stop(1)
        else:
            server.process.wait(servers.LIMIT)

        told = server.told()
        assert single is ("WSGI app 1 (mountpoint='/two') ready" in told)
        assert single is not ("for uWSGI, single-interpreter = true" in told)


class TestCelery:
    def test_runs_tasks_while_processes_are_replaced(self, start, wanted, record_property):
        with Server(valkey()) as broker:
            url = broker.url
            env = {"SERVED_BUSY": "all", "SERVED_BROKER": url, "SERVED_TASKS_PER_CHILD": str(wanted // 20)}
            command = ["-m", "celery", "-A", "served_celery", "worker", "--loglevel", "INFO"]
            command += ["--pool", "prefork", "--concurrency", str(servers.WORKERS), "--without-mingle"]
            server = start(command, env)
            server.until("ready", lambda: " ready." in server.told())
            app = celery.Celery(broker=url, backend=url, set_as_current=False)

            def ask(number):
                return app.send_task("work", [number]).get(timeout=servers.LIMIT)

            def await_one_replaced():
                # They end at the same time, and for a moment there are none.
                old = server.until("process to be replaced", server.workers)
                server.until("process replaced", lambda: any(map(servers.has_ended, old)))

            answers = servers.ask_while([await_one_replaced] * 8, ask, wanted)
            server.stop()

        check(server, answers, wanted, record_property, inherits=True)
