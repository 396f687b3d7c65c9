"""What the pages show, and what is cached: `python manage.py test`."""

import os
from typing import Any
from unittest import mock

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.cache import caches
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from shop import cached, watch, work
from shop.fill import REGIONS, fill
from shop.models import Order, Product


class Shop(TestCase):
    """A shop with its data, and empty caches."""

    @classmethod
    def setUpTestData(cls) -> None:
        fill()

    def setUp(self) -> None:
        for alias in ("locmem", "default"):
            caches[alias].clear()
        self.clerk = User.objects.get(username="clerk0")
        self.customer = User.objects.get(username="customer0")

    def page(self, path: str) -> str:
        """The text of a page."""
        answer = self.client.get(path)
        self.assertEqual(200, answer.status_code, path)
        return str(answer.content.decode())

    def queries(self, path: str) -> list[str]:
        """The queries that a page takes."""
        with CaptureQueriesContext(connection) as found:
            self.page(path)
        return [one["sql"] for one in found]


class TestWhatIsCached(Shop):
    def test_of_a_page_that_was_asked_for_before_only_the_user_is_queried(self) -> None:
        self.client.force_login(self.clerk)
        for path in ("/", "/teas/oolong/", "/tea/7/", "/sales/north/"):
            first = self.queries(path)
            second = self.queries(path)
            self.assertGreater(len(first), 1, path)
            self.assertEqual(1, len(second), second)
            self.assertIn('FROM "auth_user"', second[0])

    def test_a_page_from_the_cache_is_the_page(self) -> None:
        for path in ("/", "/teas/oolong/"):
            self.assertEqual(self.page(path), self.page(path))

    def test_the_report_is_computed_once(self) -> None:
        self.client.force_login(self.clerk)
        with mock.patch.object(work, "forecast", wraps=work.forecast) as forecast:
            self.page("/sales/east/")
            times = forecast.call_count
            self.page("/sales/east/")
        self.assertGreater(times, 0)
        self.assertEqual(times, forecast.call_count)

    def test_the_counts_tell_hits_from_misses(self) -> None:
        def counts() -> dict[str, Any]:
            found: dict[str, Any] = watch.own_counts()["functions"]["bought_with"]
            return found

        before = counts()
        cached.bought_with(7)
        cached.bought_with(7)
        after = counts()
        self.assertEqual(1, after["misses"] - before["misses"])
        self.assertEqual(1, after["hits"] - before["hits"])
        self.assertEqual(sum(after["hit_spread"]), after["hits"])
        self.assertGreater(after["miss_seconds"], before["miss_seconds"])

    def test_the_page_of_counts_is_told_those_of_each_worker_and_tier(self) -> None:
        self.assertIn('data-counts="/cache/counts/"', self.page("/cache/"))
        told = self.client.get("/cache/counts/").json()
        self.assertEqual(os.getpid(), told["answered_by"])
        (own,) = [one for one in told["workers"] if one["worker"] == os.getpid()]
        self.assertEqual(set(watch.CALLS), set(own["functions"]))
        tiers = {"memory", "server"} if settings.CONFIGURATION == "ours" else set()
        self.assertEqual(tiers, set(own["tiers"]))


class TestWhatChanges(Shop):
    def test_a_new_price_is_shown_at_once(self) -> None:
        self.client.force_login(self.clerk)
        before = self.page("/tea/7/")
        self.assertNotIn("43.21 €", before)
        self.assertEqual(302, self.client.post("/tea/7/save/", {"cents": "4321"}).status_code)
        self.assertIn("43.21 €", self.page("/tea/7/"))

    def test_a_new_name_is_shown_among_the_best_sellers(self) -> None:
        best = work.best_sellers()[0]["id"]
        self.page("/cart/")
        tea = Product.objects.get(pk=best)
        tea.name = "Earl Grey"
        tea.save()
        self.assertIn("Earl Grey", self.page("/cart/"))

    def test_who_becomes_a_clerk_sees_the_report(self) -> None:
        self.client.force_login(self.customer)
        self.assertEqual(403, self.client.get("/sales/north/").status_code)
        self.customer.groups.add(Group.objects.get(name="clerks"))
        self.assertEqual(200, self.client.get("/sales/north/").status_code)
        Group.objects.get(name="clerks").user_set.remove(self.customer)
        self.assertEqual(403, self.client.get("/sales/north/").status_code)

    def test_an_order_is_in_the_report(self) -> None:
        self.client.force_login(self.clerk)
        before = cached.sales(REGIONS[0])
        self.client.post("/cart/", {"product": 7, "quantity": 90})
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post("/order/")
        self.assertEqual(self.clerk, Order.objects.latest("pk").customer)
        after = cached.sales(REGIONS[0])
        self.assertNotEqual(before, after)
        self.assertEqual(work.sales(REGIONS[0]), after)


class TestSessions(Shop):
    def test_a_session_is_in_the_cache(self) -> None:
        self.client.force_login(self.customer)
        self.page("/cart/")
        self.assertEqual([], [one for one in self.queries("/cart/") if "django_session" in one])

    def test_a_session_outlives_the_cache(self) -> None:
        self.client.force_login(self.customer)
        self.client.post("/cart/", {"product": 7, "quantity": 2})
        caches["default"].clear()
        page = self.page("/cart/")
        self.assertIn("Hello customer0", page)
        self.assertIn('data-tea="7">2<', page)

    def test_a_cart_is_ones_own(self) -> None:
        self.client.force_login(self.customer)
        self.client.post("/cart/", {"product": 7, "quantity": 2})
        self.client.force_login(self.clerk)
        self.assertNotIn("data-tea", self.page("/cart/"))

    def test_regulars_pay_less(self) -> None:
        tea = Product.objects.filter(category__slug="green-tea").first()
        self.assertNotIn("<s>", self.page(f"/tea/{tea.pk}/").partition("<h2>")[0])
        self.client.force_login(User.objects.get(username="customer1"))
        self.assertIn("<s>", self.page(f"/tea/{tea.pk}/").partition("<h2>")[0])
