from dataclasses import replace
from pathlib import Path

import pytest

from agent.coze.objects import Chat, Message, ToolCall
from agent.emulator import history
from agent.emulator.conversations import Conversations
from agent.emulator.history import History
from agent.emulator.ids import Ids
from agent.emulator.store import Store
from agent.emulator.tables import TABLES


def filled(path: Path | None = None) -> History:
    talks = Conversations(Ids(), Store(path, TABLES), lambda: 1000.0)
    talks.create("a", id="1")
    talks.create("a", id="2")
    return talks.history


def said(id: str, type: str = "answer", chat: str = "c", talk: str = "1") -> Message:
    role = "user" if type == "question" else "assistant"
    return Message(id, talk, "7", role, type, f"text {id}", "text", chat, talk, {"k": id})


def ids(messages: list[Message]) -> list[str]:
    return [message.id for message in messages]


def test_messages_come_back_as_they_were() -> None:
    kept = filled()
    message = kept.keep(said("m"))
    assert (message.created_at, message.updated_at) == (1000, 1000)
    assert kept.find("1", "m") == message
    assert kept.find("2", "m") is None


def test_pages_in_both_orders_and_both_directions() -> None:
    kept = filled()
    for number in range(6):
        kept.keep(said(str(number)))
    kept.keep(said("else", talk="2"))
    page = kept.page("1", limit=2)
    assert (ids(page.messages), page.has_more) == (["5", "4"], True)
    page = kept.page("1", limit=2, after="4")
    assert ids(page.messages) == ["3", "2"]
    page = kept.page("1", limit=4, after="4")
    assert (ids(page.messages), page.has_more) == (["3", "2", "1", "0"], False)
    page = kept.page("1", limit=2, before="2")
    assert (ids(page.messages), page.has_more) == (["4", "3"], True)
    page = kept.page("1", limit=3, newest_first=False, after="1")
    assert ids(page.messages) == ["2", "3", "4"]
    page = kept.page("1", limit=3, newest_first=False, before="2")
    assert (ids(page.messages), page.has_more) == (["0", "1"], False)


def test_a_conversation_lists_talk_and_a_chat_its_steps() -> None:
    kept = filled()
    for number, type in enumerate(("question", "function_call", "tool_output", "answer")):
        kept.keep(said(str(number), type))
    kept.keep(said("other", chat="d"))
    assert ids(kept.page("1").messages) == ["other", "3", "0"]
    assert ids(kept.page("1", chat_id="c").messages) == ["3", "0"]
    assert ids(kept.of_chat("1", "c")) == ["1", "2", "3"]


def test_changing_and_removing() -> None:
    kept = filled()
    message = kept.keep(said("m"))
    kept.change(replace(message, content="new", meta_data=None))
    found = kept.find("1", "m")
    assert found is not None
    assert (found.content, found.meta_data) == ("new", None)
    kept.remove(found)
    assert kept.find("1", "m") is None


def test_chats_are_kept_and_those_of_a_dead_emulator_have_failed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    store = Store(path, TABLES)
    talks = Conversations(Ids(), store, lambda: 1000.0)
    talks.create("a", id="1")
    waiting = Chat("c", "1", "7", "1", "requires_action", 5, tool_calls=(ToolCall("t", "f", "{}"),))
    done = Chat("d", "1", "7", "1", "completed", 5)
    talks.history.note(replace(waiting, status="in_progress"))
    talks.history.note(waiting)
    talks.history.note(done)
    assert talks.history.chat("1", "c") == waiting
    assert talks.history.chat("2", "c") is None
    store.close()
    later = Conversations(Ids(), Store(path, TABLES), lambda: 2000.0).history
    failed = later.chat("1", "c")
    assert failed is not None
    assert (failed.status, failed.failed_at, failed.tool_calls) == ("failed", 2000, ())
    assert failed.last_error is not None
    assert failed.last_error.code == 5000
    assert later.chat("1", "d") == done


def test_a_flood_of_long_messages_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MOST_CHARACTERS", 1000)
    kept = filled()
    for number in range(512):
        kept.keep(replace(said(str(number)), content="x" * 100))
    assert ids(kept.page("1").messages) == [str(number) for number in range(511, 501, -1)]


def test_only_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MOST_MESSAGES", 10)
    kept = filled()
    for number in range(512):
        kept.keep(said(str(number)))
    assert ids(kept.page("1").messages) == [str(number) for number in range(511, 501, -1)]
