import json

import pytest

from agent.coze.events import AudioCompleted, ErrorEvent, TurnCompleted, TurnCreated, parse
from agent.coze.objects import Chat
from agent.emulator.fault import MESSAGES, Fault
from agent.emulator.forger import Forger, words
from agent.emulator.ids import Ids
from agent.emulator.moments import Progress


def forger() -> Forger:
    return Forger(Ids(0), "log")


def test_every_code_has_words_and_a_script_may_have_its_own() -> None:
    for code, msg in MESSAGES.items():
        event = parse(forger().error(Fault(do="error", code=code)))
        assert isinstance(event, ErrorEvent)
        assert (event.code, event.msg, event.logid) == (code, msg, "log")
        assert event.id and event.respond_at
    assert words(Fault(do="error", code=12345)) == "error"
    assert words(Fault(do="quota", msg="")) == ""


def test_an_end_belongs_to_the_running_chat() -> None:
    progress = Progress()
    progress.sending(TurnCreated(Chat("7", conversation_id="8")))
    audio, chat = (parse(frame) for frame in forger().end(progress))
    assert isinstance(audio, AudioCompleted) and isinstance(chat, TurnCompleted)
    assert (audio.message.chat_id, audio.message.content_type) == ("7", "audio")
    assert (chat.chat.id, chat.chat.status, chat.chat.conversation_id) == ("7", "completed", "8")


@pytest.mark.parametrize(
    ("status", "code"), [(400, 4000), (401, 4100), (403, 4101), (429, 4020), (500, 5000)]
)
def test_refusals_have_the_code_of_their_status(status: int, code: int) -> None:
    response = forger().refusal(Fault(do="refuse", status=status))
    assert json.loads(response.text or "")["code"] == code
    assert response.headers["X-Tt-Logid"] == "log"
    assert "Retry-After" not in response.headers
    told = forger().refusal(Fault(do="refuse", status=status, code=4011, retry_after=3))
    assert json.loads(told.text or "")["code"] == 4011
    assert told.headers["Retry-After"] == "3"


def test_a_sign_in_page_is_no_envelope() -> None:
    assert forger().refusal(Fault(do="refuse", status=302)).headers["Location"]
    page = forger().refusal(Fault(do="refuse", status=200))
    assert page.content_type == "text/html"
