"""Who visits the shop in django_demo.py: HTTP clients on kept connections, who check each page they get."""

import http.client
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import NamedTuple
from urllib.parse import urlencode

from narration import MismatchError

TEAS, CATEGORIES = range(1, 61), ("green-tea", "black-tea", "oolong", "herbal")
REGIONS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
PASSWORD = "a cup of tea"  # noqa: S105  of users that are made up

# Of 100 requests.
MIX = {
    "tea": (40, "a tea"),
    "front": (24, "the front page"),
    "category": (12, "a category"),
    "report": (12, "the sales report"),
    "cart": (6, "the cart"),
    "put": (5, "putting into it"),
    "save": (1, "saving a tea, which clears"),
}
# What a page has of a user, and of chance.
OWN = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"|Hello \w+')
IN_CART = re.compile(rb'data-tea="(\d+)">(\d+)<')
PATIENCE = 60  # seconds for an answer
KEPT = 20  # requests on one connection


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    worker: str


@dataclass
class Outcome:
    """What came of many requests."""

    seconds: float = 0
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    sent_again: int = 0
    workers: set[str] = field(default_factory=set)  # who answered; filled while requests are made

    def add(self, other: "Outcome") -> None:
        """Add what came of others."""
        self.seconds += other.seconds
        self.times += other.times
        self.failures += other.failures
        self.wrong += other.wrong
        self.sent_again += other.sent_again
        self.workers |= other.workers

    def quantile(self, share: float) -> float:
        """The seconds in which that share of the requests was answered."""
        times = sorted(self.times)
        return times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")


class Connection:
    """A connection that is kept for some requests, as a browser keeps it.

    If the server has closed it meanwhile, which it may do at any time, the request is sent on a new one. Were
    connections kept for ever, the worker that accepts first would have all the work.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: http.client.HTTPConnection | None = None
        self._left = 0
        self.sent_again = 0

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> tuple[Answer, str]:
        """The answer, and the cookies that it sets."""
        self._left -= 1
        if self._left < 0:
            self.close()
        if (kept := self._kept) is not None:
            try:
                return self._ask(kept, method, path, headers, body)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.sent_again += 1
                self.close()
        self._left = KEPT
        opened = self._kept = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            return self._ask(opened, method, path, headers, body)
        except (http.client.HTTPException, OSError):
            self.close()
            raise

    def _ask(
        self,
        kept: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: str | None,
    ) -> tuple[Answer, str]:
        kept.request(method, path, body, dict(headers))
        response = kept.getresponse()
        content = response.read()
        if response.will_close:
            self.close()
        cookies = "; ".join(response.headers.get_all("Set-Cookie") or [])
        return Answer(response.status, content, response.headers.get("X-Worker", "")), cookies

    def close(self) -> None:
        """Close it; the next request opens another one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


class Visitor:
    """A user with a session, and a cart in each of the sites."""

    def __init__(self, name: str) -> None:
        self.name = name
        number = int(name[-1])
        # Pages are the same for all of a kind.
        self.kind = "clerk" if name.startswith("clerk") else "regular" if number % 2 else "customer"
        self.carts: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._cookies: dict[str, str] = {}

    def ask(self, connection: Connection, path: str, form: Mapping[str, object] | None = None) -> Answer:
        """GET, or POST a form."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["X-CSRFToken"] = self._cookies.get("csrftoken", "")
        method, body = ("GET", None) if form is None else ("POST", urlencode(form))
        answer, cookies = connection.ask(method, path, headers, body)
        for name, morsel in SimpleCookie(cookies).items():
            self._cookies[name] = morsel.value
        return answer

    def sign_in(self, connection: Connection) -> None:
        """Begin a session."""
        self.ask(connection, "/login/")
        answer = self.ask(connection, "/login/", {"username": self.name, "password": PASSWORD})
        if answer.status != http.client.FOUND:
            raise MismatchError(f"{self.name} cannot sign in: status {answer.status}")


class Reference:
    """The pages as they are without a cache, by kind of user."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], bytes] = {}

    def learn(self, visitor: Visitor, connection: Connection) -> None:
        """Ask for each page once as this user."""
        paths = ["/", *(f"/teas/{one}/" for one in CATEGORIES), *(f"/tea/{tea}/" for tea in TEAS)]
        if visitor.kind == "clerk":
            paths += [f"/sales/{region}/" for region in REGIONS]
        for path in paths:
            answer = visitor.ask(connection, path)
            if answer.status != http.client.OK:
                raise MismatchError(f"{path} for {visitor.name} has status {answer.status}")
            self._pages[visitor.kind, path] = OWN.sub(b"", answer.body)

    def __len__(self) -> int:
        return len(self._pages)

    def difference(self, visitor: Visitor, path: str, body: bytes) -> str | None:
        """In which way a page is another one than without a cache."""
        right, given = self._pages[visitor.kind, path], OWN.sub(b"", body)
        if f"Hello {visitor.name}".encode() not in body:
            return f"{path} does not know {visitor.name}"
        if right == given:
            return None
        for line, (one, other) in enumerate(zip(right.splitlines(), given.splitlines(), strict=False), 1):
            if one != other:
                return f"{path} for {visitor.name}, line {line}: {other!r}, and without a cache {one!r}"
        return f"{path} for {visitor.name} has {len(given)} bytes, and without a cache {len(right)}"


class Site(NamedTuple):
    """Where visitors ask."""

    name: str
    port: int
    reference: Reference


class Client:
    """One thread of requests, for a customer and a clerk: the same ones for each seed."""

    def __init__(self, site: Site, seed: int, visitors: list[Visitor], workers: set[str]) -> None:
        self._site = site
        self._connection = Connection(site.port)
        self._chance = random.Random(seed)  # noqa: S311  no secrets
        self._visitors = visitors
        self.outcome = Outcome(workers=workers)

    def visit(self, stop: threading.Event) -> None:
        """Ask for one page after the other."""
        weights = [weight for weight, _ in MIX.values()]
        while not stop.is_set():
            (kind,) = self._chance.choices(list(MIX), weights)
            clerk = self._visitors[-1]
            visitor = clerk if kind in {"report", "save"} else self._chance.choice(self._visitors)
            began = time.perf_counter()
            try:
                problem = self.step(kind, visitor)
            except (http.client.HTTPException, OSError) as error:
                self.outcome.failures.append(f"{kind}: {type(error).__name__} {error}")
                continue
            self.outcome.times.append(time.perf_counter() - began)
            if problem:
                self.outcome.wrong.append(problem)
        self._connection.close()
        self.outcome.sent_again = self._connection.sent_again

    def step(self, kind: str, visitor: Visitor) -> str | None:
        """One request; what is wrong with its answer."""
        tea = min(int(self._chance.paretovariate(0.7)), len(TEAS))  # some are looked at much more often
        path, form = {
            "tea": (f"/tea/{tea}/", None),
            "front": ("/", None),
            "category": (f"/teas/{self._chance.choice(CATEGORIES)}/", None),
            "report": (f"/sales/{self._chance.choice(REGIONS)}/", None),
            "cart": ("/cart/", None),
            "put": ("/cart/", {"product": tea, "quantity": self._chance.randint(0, 3)}),
            "save": (f"/tea/{tea}/save/", {}),
        }[kind]
        answer = visitor.ask(self._connection, path, form)
        self.outcome.workers.add(answer.worker)
        if answer.status != (http.client.OK if form is None else http.client.FOUND):
            self.outcome.failures.append(f"{path}: status {answer.status}")
            return None
        if kind == "put" and form:
            visitor.carts[self._site.name][form["product"]] = form["quantity"]
        if kind == "cart":
            found = {int(tea): int(number) for tea, number in IN_CART.findall(answer.body)}
            cart = visitor.carts[self._site.name]
            wanted = {tea: number for tea, number in cart.items() if number}
            return None if found == wanted else f"the cart of {visitor.name} has {found}, and not {wanted}"
        return self._site.reference.difference(visitor, path, answer.body) if form is None else None


@contextmanager
def visiting(site: Site, pairs: list[list[Visitor]], turn: int = 0) -> Iterator[Outcome]:
    """Have all visitors ask, each pair in a thread of its own; what came of it is there at the end.

    In one turn they ask for the same pages, whatever the site.
    """
    stop, total = threading.Event(), Outcome()
    clients = [
        Client(site, turn * len(pairs) + number, pair, total.workers) for number, pair in enumerate(pairs)
    ]
    threads = [threading.Thread(target=client.visit, args=[stop]) for client in clients]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        yield total
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for client in clients:
        total.add(client.outcome)
    total.seconds = time.perf_counter() - began
