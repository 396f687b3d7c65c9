"""Threads of which one goes on at a time, from one place in their code to the next, in a drawn order."""

import queue
import threading
import time

LIMIT = 20  # seconds after which something hangs
# Seconds after which one whose wait has ended, and who comes nowhere, is taken to wait again: not counted.
AGAIN = 0.05

_here = threading.local()


def pause(place):
    """A place where an actor stops until it is its turn. Threads that are no actors go on."""
    actor = getattr(_here, "actor", None)
    if actor is not None:
        actor.pause(place)


class Actor:
    """A thread that stops at each place."""

    def __init__(self, stage, number, script):
        self.number = number
        self.state = "running"  # or "paused", "waiting" for another actor's computation, "done"
        self.waits_for = None
        self.woken = None  # when its wait ended, if it has come nowhere since
        self.key = None  # of the call it makes
        self.error = None
        self._stage = stage
        self._turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(script,), daemon=True)
        self._thread.start()

    def _run(self, script):
        _here.actor = self
        try:
            self.pause("begin")
            script()
        except BaseException as error:  # noqa: BLE001  raised again by the stage
            self.error = error
        self._stage.reports.put((self, "done", "end"))

    def pause(self, place):
        self._stage.reports.put((self, "paused", place))
        assert self._turn.acquire(timeout=LIMIT), f"{place}: nobody had this thread go on"

    def go_on(self):
        self.state = "running"
        self._turn.release()

    def join(self):
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


class Stage:
    """Has scripts played. `draw` says who goes on; `count_waits()` is how many calls have come to wait."""

    def __init__(self, draw, count_waits):
        self.reports = queue.SimpleQueue()
        self.played = []  # (an actor's number, the place it came to), in order
        self._draw = draw
        self._count_waits = count_waits
        self._waits = 0
        self._leaders = {}
        self._actors = []
        self._told = None  # the actor who was last told to go on
        self._lock = threading.Lock()  # of the actors' states

    def play(self, scripts):
        """Play all scripts to their end; raises what they raise."""
        self._waits = self._count_waits()
        self._actors = [Actor(self, number, script) for number, script in enumerate(scripts)]
        self._settle()
        while any(actor.state != "done" for actor in self._actors):
            paused = [actor for actor in self._actors if actor.state == "paused"]
            if paused:
                self._told = self._draw.choice(paused)
                self._told.go_on()
                self._settle()
            else:  # all who are left wait, and are woken by one who has left
                self._note(*self.reports.get(timeout=LIMIT))
        for actor in self._actors:
            actor.join()

    def asks_for(self, key):
        """Told by an actor that is about to make a call."""
        if actor := getattr(_here, "actor", None):
            actor.key = key

    def leads(self):
        """Told by an actor that has begun to compute what others may wait for."""
        if actor := getattr(_here, "actor", None):
            self._leaders[actor.key] = actor

    def has_landed(self):
        """Told by an actor whose call has returned: those who waited for it are the next to come."""
        me = getattr(_here, "actor", None)
        with self._lock:
            for actor in self._actors:
                if me is not None and actor.waits_for is me:
                    actor.state, actor.waits_for = "running", None
                    actor.woken = time.monotonic()

    def _settle(self):
        """Go on when nobody runs."""
        end = time.monotonic() + LIMIT
        while any(actor.state == "running" for actor in self._actors):
            try:
                self._note(*self.reports.get(timeout=0.001))
            except queue.Empty:
                assert time.monotonic() < end, f"hangs after {self.played[-10:]}"
                with self._lock:
                    # Of those who run, only the one who was told to go on makes a call.
                    if self._count_waits() > self._waits and self._told.state == "running":
                        self._waits += 1
                        self._wait(self._told)
                    for actor in self._actors:
                        if (
                            actor.state == "running"
                            and actor.woken
                            and actor.woken + AGAIN < time.monotonic()
                        ):
                            self._wait(actor)

    def _wait(self, actor):
        actor.state, actor.waits_for = "waiting", self._leaders.get(actor.key)

    def _note(self, actor, state, place):
        with self._lock:
            actor.state, actor.waits_for, actor.woken = state, None, None
            self.played.append((actor.number, place))
