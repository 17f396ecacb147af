"""Tokens that were given out, next to those that a script lets in."""

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from agent.emulator.access import Access, Denial, Grant
from agent.emulator.issued import ScriptedToken, Tokens, looks_issued, new_value
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from agent.emulator.tokens import TokenPolicy
from agent.errors import ConfigError
from tests.emulator.doubles import client, drive, fast_script, running


class Door:
    """Access on a clock of its own."""

    def __init__(self, policy: TokenPolicy | None = None) -> None:
        self.now = 1000.0
        self.tokens = Tokens(Store(None, TABLES))
        self.access = Access(policy or TokenPolicy(), self.tokens, lambda: self.now)

    def refusal(self, token: str) -> tuple[int, int, str]:
        with pytest.raises(Denial) as caught:
            self.access.admit(f"Bearer {token}")
        return caught.value.status, caught.value.code, caught.value.msg


def test_a_token_obeys_its_expiry() -> None:
    door = Door()
    door.tokens.add(Grant("pat_a", "anna", expires_at=1900.0), door.now)
    assert door.access.admit("Bearer pat_a").account == "anna"
    door.now = 1899.9
    door.access.admit("Bearer pat_a")
    door.now = 1900.0
    assert door.refusal("pat_a")[:2] == (401, 4100)
    assert "expired" in door.refusal("pat_a")[2]


def test_a_token_without_an_end() -> None:
    door = Door()
    door.tokens.add(Grant("sat_a", "anna"), door.now)
    door.now = 1e10
    door.access.admit("Bearer sat_a")


def test_a_revoked_token() -> None:
    door = Door()
    token = new_value("personal")
    door.tokens.add(Grant(token, "anna"), door.now)
    assert door.tokens.revoke(token, door.now)
    assert not door.tokens.revoke("other", door.now)
    assert door.refusal(token)[:2] == (401, 4100)
    # Long after it is not even remembered, and still does not pass for just any bearer.
    door.now += 10 * 86400
    door.tokens.add(Grant("pat_b", "anna"), door.now)
    assert door.tokens.find(token) is None
    assert door.refusal(token)[:2] == (401, 4100)


def test_everything_about_a_token_is_kept() -> None:
    door = Door()
    grant = Grant(
        token="czs_x",
        account="anna",
        scopes=frozenset({"chat", "createSpeech"}),
        device_id="KSK-1",
        custom_consumer="c",
        kind="jwt",
        expires_at=2000.5,
        session_name="s",
        bots=frozenset({"7"}),
        client_id="app",
        connector_id="999",
        workspace_id="71",
    )
    door.tokens.add(grant, door.now)
    assert door.access.admit("Bearer czs_x") == grant
    assert door.tokens.all() == [grant]


def test_scopes_in_both_ways_of_writing() -> None:
    grant = Grant("t", "a", scopes=frozenset({"Connector.botChat", "createSpeech"}))
    grant.need("chat")
    grant.need("Audio.createSpeech")
    with pytest.raises(Denial) as caught:
        grant.need("createTranscription")
    assert (caught.value.status, caught.value.code) == (403, 4101)
    assert caught.value.msg == "the token lacks the permission: createTranscription"
    Grant("t", "a").need("anything")


def test_a_token_for_some_bots() -> None:
    grant = Grant("t", "a", bots=frozenset({"7"}))
    grant.need_bot("7")
    with pytest.raises(Denial) as caught:
        grant.need_bot("8")
    assert (caught.value.status, caught.value.code) == (403, 4101)
    Grant("t", "a").need_bot("8")


def test_the_script_refuses_even_what_was_given_out() -> None:
    door = Door(TokenPolicy(refused=frozenset({"pat_a"}), forbidden=frozenset({"pat_b"})))
    for token in ("pat_a", "pat_b"):
        door.tokens.add(Grant(token, "anna"), door.now)
    assert door.refusal("pat_a")[:2] == (401, 4100)
    assert door.refusal("pat_b")[:2] == (403, 4101)


def test_only_issued_tokens_on_request() -> None:
    door = Door(TokenPolicy(only_issued=True, accepted=frozenset({"known"})))
    door.tokens.add(Grant("pat_a", "anna"), door.now)
    door.access.admit("Bearer pat_a")
    door.access.admit("Bearer known")
    assert door.refusal("any")[:2] == (401, 4100)


def test_tokens_of_the_real_platform_come_in_as_ever() -> None:
    Door().access.admit("Bearer pat_" + "x" * 64)
    Door().access.admit("Bearer czs_short")
    assert not looks_issued("pat_" + "x" * 64)
    for kind in ("personal", "service", "jwt", "user"):
        assert looks_issued(new_value(kind))


def test_tokens_of_a_script() -> None:
    door = Door()
    scripted = ScriptedToken("t", account="anna", scopes=["chat"], expires_s=5, device_id="d")
    door.tokens.declare([scripted], door.now)
    grant = door.access.admit("Bearer t")
    assert (grant.account, grant.device_id, grant.expires_at) == ("anna", "d", 1005.0)
    assert grant.scopes == frozenset({"chat"}) and grant.kind == "personal"
    with pytest.raises(ConfigError, match="needs a value"):
        door.tokens.declare([ScriptedToken()], door.now)


@pytest.mark.parametrize(
    ("token", "bot", "status"),
    [
        ("fresh", "7", 0),
        ("over", "7", 401),
        ("deaf", "7", 403),
        ("one-bot", "8", 403),
        ("one-bot", "7", 0),
    ],
)
def test_the_upgrade_obeys_what_was_given_out(token: str, bot: str, status: int) -> None:
    async def body() -> None:
        script = fast_script(
            token=[
                {"value": "fresh", "expires_s": 60},
                {"value": "over", "expires_s": 0.001},
                {"value": "deaf", "scopes": ["createSpeech"]},
                {"value": "one-bot", "bots": ["7"]},
            ]
        )
        async with running(script) as emulator:
            await asyncio.sleep(0.002)
            if not status:
                async with client(emulator, f"bot_id={bot}", token):
                    return
            with pytest.raises(InvalidStatus) as caught:
                async with client(emulator, f"bot_id={bot}", token):
                    pass
            assert caught.value.response.status_code == status

    drive(body)


def test_a_connection_outlives_its_token_unless_a_switch_says_otherwise() -> None:
    async def body() -> None:
        tokens = [{"value": "short", "expires_s": 0.3}]
        kept = fast_script(token=tokens)
        async with running(kept) as emulator, client(emulator, token="short") as talk:
            await asyncio.sleep(0.35)
            await talk.ask()
            await talk.until("conversation.chat.completed")
        script = fast_script(token=tokens, switches={"token_expiry": "close"})
        async with running(script) as emulator, client(emulator, token="short") as talk:
            refused = (await talk.until("error"))[-1]
            assert refused["data"]["code"] == 4100

    drive(body)
