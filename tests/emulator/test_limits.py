import pytest

from agent.emulator.fields import Refusal
from agent.emulator.limits import Limiter, Limits
from agent.emulator.tokens import Denial
from tests.emulator.doubles import client, drive, fast_script, running
from tests.emulator.site import site


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_window_slides() -> None:
    clock = Clock()
    limiter = Limiter(Limits(chat_qps=2), clock)
    limiter.call("a", "/v1/chat")
    clock.now += 0.6
    limiter.call("a", "/v3/chat/retrieve")
    with pytest.raises(Denial) as caught:
        limiter.call("a", "/v3/chat")
    assert (caught.value.status, caught.value.code) == (429, 4020)
    limiter.call("b", "/v3/chat")
    clock.now += 0.4
    limiter.call("a", "/v3/chat")
    with pytest.raises(Denial):
        limiter.call("a", "/v3/chat")


def test_groups_do_not_share() -> None:
    limiter = Limiter(Limits(chat_qps=1, workflow_qps=1, upload_qps=1), Clock())
    for path in ("/v1/chat", "/v1/workflow/run", "/v1/files/upload"):
        limiter.call("a", path)
        with pytest.raises(Denial):
            limiter.call("a", path)
    for _ in range(9):
        limiter.call("a", "/v1/users/me")


def test_models_per_minute_and_calls_for_good() -> None:
    clock = Clock()
    limiter = Limiter(Limits(model_rpm=1, calls=2), clock)
    limiter.take("a", "model")
    clock.now += 59
    with pytest.raises(Denial, match="minute"):
        limiter.take("a", "model")
    clock.now += 1
    limiter.question("a")
    with pytest.raises(Refusal) as caught:
        limiter.question("a")
    assert caught.value.code == 4020
    limiter.call("a", "/v1/bots")
    limiter.call("a", "/v1/bots")
    clock.now += 1e6
    with pytest.raises(Denial, match="used up"):
        limiter.call("a", "/v1/bots")


def test_the_api_answers_429_and_pages_are_not_counted() -> None:
    async def body() -> None:
        async with site(fast_script(limits={"calls": 1})) as place:
            assert (await place.get("/health"))[0] == 200
            assert await place.me("t") == 200
            status, reply = await place.get("/v1/users/me", "t")
            assert (status, reply["code"]) == (429, 4020)
            # Strangers spend nothing of anybody's.
            assert await place.me("") == 401
            assert (await place.get("/health"))[0] == 200

    drive(body)


def test_questions_on_a_socket() -> None:
    async def body() -> None:
        script = fast_script(limits={"model_rpm": 1})
        async with running(script) as emulator, client(emulator) as talk:
            await talk.ask()
            await talk.until("conversation.chat.completed")
            await talk.ask()
            refused = (await talk.until("error"))[-1]
            assert refused["data"]["code"] == 4020

    drive(body)


def test_nothing_is_limited_unless_asked_for() -> None:
    limiter = Limiter(Limits(), Clock())
    assert not limiter.on
    for _ in range(1000):
        limiter.call("a", "/v1/chat")
