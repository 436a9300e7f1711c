"""Deliveries of articles over HTTP: on the page of a task, in its document, listed, and asked for once more."""

from __future__ import annotations

from queuectl.settings import Settings
from tests.support.factories import succeed_with_article
from tests.support.site import Site, serving

HOOK = {"publish_webhook": "https://hook.test/canary", "webhook_secret": "canary-of-some-length"}


def failed_article(site: Site) -> int:
    with site.manager._database.writing() as transaction:
        task = succeed_with_article(transaction)
        transaction.execute(
            "UPDATE article_deliveries SET tries = 3, problem = 'hook.test <b>answered</b> 503'"
        )
    return task


def test_what_has_not_arrived_is_shown_listed_and_delivered_again(settings: Settings) -> None:
    with serving(settings, **HOOK) as site:
        task = failed_article(site)
        page = site.page(f"/tasks/{task}").text
        assert "not delivered yet" in page
        assert "hook.test &lt;b&gt;answered&lt;/b&gt; 503" in page
        assert "尚未送达" in site.page(f"/tasks/{task}", "zh").text
        shown = site.get(f"/api/v1/tasks/{task}").ok()["delivery"]
        assert (shown["state"], shown["tries"], shown["to"]) == ("waiting", 3, "https://hook.test/…")
        listed = site.get("/api/v1/deliveries").ok()
        assert listed["deliveries"] == [shown]
        assert listed["counts"]["failing"] == 1
        assert site.send("/api/v1/deliveries", {"failed": True}).ok()["deliveries"] == [f"task_{task}"]
        assert site.get("/api/v1/deliveries").ok()["deliveries"][0]["problem"] is None
        assert site.send("/api/v1/deliveries", {"id": [str(task)]}).ok()["deliveries"] == [f"task_{task}"]
        assert site.send("/api/v1/deliveries", {"id": ["task_99"]}).status == 404
        for wrong in ({}, {"id": [str(task)], "failed": True}):
            assert site.send("/api/v1/deliveries", wrong).status == 400
        everything = [
            site.get(f"/api/v1/{name}").text for name in ("deliveries", "audit", "health", "events")
        ]
        assert "canary" not in "".join((page, *everything))


def test_without_a_webhook_a_delivery_is_declined(site: Site) -> None:
    assert site.send("/api/v1/deliveries", {"failed": True}).status == 409
    assert site.get("/api/v1/deliveries").ok()["to"] is None
