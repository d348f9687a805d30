"""Commands about webhooks in the main process, before a fake of their process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streaming.command_messages import (
    CommandAnswer,
    CommandRequest,
    EnableWebhook,
    ListDeliveries,
    ListWebhooks,
    RemoveWebhook,
    ReplayEvents,
    SetWebhook,
    WebhookCommand,
)
from streaming.commands import Commands
from streaming.config_overlay import overlay_file
from streaming.events.event_feed import EventFeed
from streaming.webhook_commands import WebhookCommands, shown_url
from streaming.webhooks.messages import Replay, WebhookAnswer
from streaming.webhooks.webhooks import Webhooks
from tests.streaming.events.happenings import EPOCH, log_of
from tests.streaming.server.conftest import until
from tests.streaming.test_live_config import Origin

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = f"""
[[webhooks]]
name = "mine"
url = "https://example.org/planted?key=planted"
secrets = ["{SECRET}"]
types = ["test.*"]
"""


class Worker:
    """A webhook process that takes everything and answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_there = True

    def send(self, message: Any) -> bool:
        if self.is_there:
            self.sent.append(message)
        return self.is_there


class Scene:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "headwater.toml"
        self.file.write_text(WEBHOOK)
        self.live = Origin(self.file).live
        self.log = log_of(9)
        configured = [one for one, _ in self.live.webhooks()]
        self.webhooks = Webhooks(configured, None, self.log, EventFeed(self.log), "info")
        self.worker = Worker()
        self.webhooks._worker = self.worker  # type: ignore[assignment]
        self.commands = WebhookCommands(self.live, self.webhooks, self.log)
        self.all_commands = Commands(None, self.live, None, None, self.commands)  # type: ignore[arg-type]
        self.answers: list[CommandAnswer] = []

    async def ask(
        self, command: WebhookCommand, status: int = 200, result: Any = None
    ) -> CommandAnswer:
        """What comes back, when the process says `status` and `result`."""
        before = len(self.worker.sent)
        answers = len(self.answers)
        request = CommandRequest(1, command, "ops", None)
        self.all_commands.execute(request, self.answers.append)
        if len(self.worker.sent) > before:
            asked = self.worker.sent[-1].id
            self.webhooks._receive(WebhookAnswer(asked, status, result, "as it says"))
        await until(lambda: len(self.answers) > answers)
        return self.answers[-1]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_webhooks_are_listed_without_what_may_be_secret(scene: Scene) -> None:
    (one,) = (await scene.ask(ListWebhooks())).result["webhooks"]
    assert (one["name"], one["url"], one["set_by_api"]) == ("mine", "https://example.org/…", False)
    assert "planted" not in str(one)
    assert SECRET not in str(one)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org", "https://example.org/"),
        ("https://example.org/", "https://example.org/"),
        ("http://a:b@h:8080/x", "http://h:8080/…"),
        ("https://h?key=x", "https://h/…"),
    ],
)
def test_of_a_url_its_host_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


async def test_a_new_webhook_is_made_a_secret_which_is_told_once(scene: Scene) -> None:
    put = SetWebhook("new", {"url": "https://example.org"})
    first = (await scene.ask(put)).result
    assert first["secret"].startswith("whsec_")
    assert first["changes"]["webhooks"] == ["new"]
    assert (await scene.ask(put)).result["secret"] == "", "it keeps its own"
    assert first["secret"] in overlay_file(scene.file).read_text()
    assert overlay_file(scene.file).stat().st_mode & 0o077 == 0
    assert [one.name for one, _ in scene.live.webhooks()] == ["mine", "new"]


async def test_what_the_api_sets_of_a_webhook_of_the_file_lies_over_it(scene: Scene) -> None:
    settings = {"url": "https://example.org/x", "max_in_flight": 1}
    assert (await scene.ask(SetWebhook("mine", settings))).result["secret"] == ""
    ((mine, by_api),) = scene.live.webhooks()
    assert (mine.max_in_flight, mine.secrets, mine.types, by_api) == (
        1,
        (SECRET,),
        ("test.*",),
        True,
    )
    assert (await scene.ask(RemoveWebhook("mine"))).status == 200
    assert scene.live.webhooks()[0][0].max_in_flight == 4
    assert (await scene.ask(RemoveWebhook("mine"))).status == 404


async def test_a_webhook_that_cannot_be_changes_nothing(scene: Scene) -> None:
    for settings in ({"url": "ftp://x"}, {"url": "https://x", "secrets": ["whsec_short"]}):
        answer = await scene.ask(SetWebhook("new", settings))
        assert answer.status == 422
        assert "whsec_short" not in answer.detail
    assert len(scene.live.webhooks()) == 1


async def test_a_replay_puts_the_events_before_the_process(scene: Scene) -> None:
    ids = tuple(f"{EPOCH}-{n}" for n in (2, 5))
    answer = await scene.ask(ReplayEvents("mine", ids), result={"replayed": 2})
    assert answer.result == {"replayed": 2, "next": ""}
    assert len(scene.worker.sent[-1].bodies) == 2
    await scene.ask(ReplayEvents("mine", (), "0"), result={"replayed": 9})
    assert isinstance(scene.worker.sent[-1], Replay)
    assert len(scene.worker.sent[-1].bodies) == 9


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (ReplayEvents("other", (f"{EPOCH}-1",)), 404),
        (ReplayEvents("mine"), 422),
        (ReplayEvents("mine", (f"{EPOCH}-1",), "0"), 422),
        (ReplayEvents("mine", ("5-5",)), 422),
        (EnableWebhook("other"), 404),
        (ListDeliveries("other", 9), 404),
    ],
)
async def test_what_cannot_be_is_refused_without_asking_the_process(
    scene: Scene, command: WebhookCommand, status: int
) -> None:
    assert (await scene.ask(command)).status == status
    assert scene.worker.sent == []


async def test_a_refusal_of_the_process_is_the_answer(scene: Scene) -> None:
    answer = await scene.ask(ReplayEvents("mine", (f"{EPOCH}-1",)), status=409)
    assert (answer.status, answer.detail) == (409, "as it says")


async def test_the_delivery_log_says_where_the_next_page_begins(scene: Scene) -> None:
    rows = [{"number": n} for n in (9, 8, 7)]
    page = (await scene.ask(ListDeliveries("mine", 2), result=rows)).result
    assert page == {"deliveries": rows[:2], "next": "8"}
    assert scene.worker.sent[-1].most == 3
    assert (await scene.ask(ListDeliveries("mine", 3, 7), result=rows)).result == {
        "deliveries": rows
    }


async def test_without_a_process_the_answer_is_to_try_again(scene: Scene) -> None:
    scene.worker.is_there = False
    assert (await scene.ask(EnableWebhook("mine"))).status == 503


async def test_a_process_that_dies_leaves_nobody_waiting(scene: Scene) -> None:
    scene.commands.execute(1, EnableWebhook("mine"), scene.answers.append)
    assert scene.answers == []
    scene.webhooks._lose_questions()
    assert [one.status for one in scene.answers] == [503]


async def test_only_what_has_changed_is_told_to_the_process(scene: Scene) -> None:
    configured = [one for one, _ in scene.live.webhooks()]
    scene.webhooks.apply(configured)
    assert scene.worker.sent == []
    await scene.ask(SetWebhook("new", {"url": "https://example.org"}))
    scene.webhooks.apply([one for one, _ in scene.live.webhooks()])
    mine, new = scene.worker.sent[-1].endpoints
    assert (mine.since, new.since) == (f"{EPOCH}-0", f"{EPOCH}-9")
