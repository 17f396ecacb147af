"""Metering, and quotas as a device meets them on the wire."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from agent.emulator.accounts import Accounts
from agent.emulator.limitations import NEVER_ENDS, POINTS, SYSTEM_VOICE, Limitation
from agent.emulator.meter import Exhausted, Gauge, Meter
from agent.emulator.plan import Plan
from agent.emulator.server import Emulator
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from agent.emulator.tokens import Grant
from agent.emulator.usage import UsageRow, decimal
from tests.emulator.doubles import (
    PCM_IN,
    Client,
    Frame,
    client,
    drive,
    fast_script,
    running,
    silence,
    tone,
    types,
)

NOW = 1_767_225_600.0 + 3600
DEVICE = "KSK000123"
TOKEN = "czs_of_the_kiosk"
GRANT = Grant(TOKEN, "default", device_id=DEVICE, kind="jwt")


class Clock:
    """A replaceable ``now``."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def a_rule(**values: Any) -> Limitation:
    return Limitation(
        **{
            "benefit_id": "1",
            "entity_type": "single_device",
            "entity_id": DEVICE,
            "benefit_type": SYSTEM_VOICE,
            "limit": 5,
            "started_at": 1_767_225_600,
            "ended_at": NEVER_ENDS,
            **values,
        }
    )


def a_meter(clock: Clock | None = None, **plan: Any) -> Meter:
    store = Store(None, TABLES)
    return Meter(store, Accounts(store), Plan(**plan), clock or Clock())


def rows(meter: Meter) -> list[UsageRow]:
    return meter.ledger.page("default", 0, 1e12, (0.0, ""), 10_000)


def speech(meter: Meter, grant: Grant = GRANT, voice_id: str = "") -> Gauge:
    return meter.open(grant, "700", "740", voice_id)


# --- counting -----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(1, 9000), max_size=8), max_size=6))
def test_what_was_said_is_what_stands_in_the_bill(turns: list[list[int]]) -> None:
    meter = a_meter()
    for turn in turns:
        gauge = speech(meter)
        for ms in turn:
            gauge.said(ms)
        gauge.close()
        gauge.close()
    assert sum(row.milli for row in rows(meter)) == sum(sum(turn) for turn in turns)


def test_a_turn_leaves_rows_for_model_hearing_and_speech() -> None:
    meter = a_meter()
    told: list[UsageRow] = []
    meter.listeners.append(told.append)
    gauge = speech(meter)
    gauge.heard(1234.4)
    gauge.thought(42, 62)
    gauge.wrote("Hello there.")
    gauge.said(1500)
    gauge.close()
    assert rows(meter) == sorted(told, key=lambda row: row.id)
    model, heard, said = (row.event() for row in told)
    assert (model["balance_type"], model["resource_type"], model["change_balance"]) == (
        2,
        1,
        "0.156",
    )
    assert (model["model_input_token"], model["model_output_token"]) == (42, 62)
    assert heard["resource_id"] == "Asr_large_model_streaming_duration"
    assert (heard["asr_audio_length"], heard["change_balance"]) == (1234, "0")
    assert said["resource_id"] == "Tts_system_text_to_speech_chars"
    assert (said["tts_char_num"], said["tts_count"]) == (12, 1)
    assert (said["balance_type"], said["change_balance"]) == (3, "1.5")
    for event in (model, heard, said):
        assert event["device_id"] == DEVICE and event["record_root_id"] == "700"
        assert (event["root_entity_type"], event["root_entity_id"]) == (1, "740")
        assert event["consume_time"] == int(NOW) and event["connector_id"] == "1024"
    assert len({row.id for row in told}) == 3


def test_cloned_voices_have_a_balance_of_their_own() -> None:
    meter = a_meter(custom_voices=["my_voice"])
    gauge = speech(meter, voice_id="my_voice")
    gauge.said(2000)
    gauge.close()
    assert [row.balance_type for row in rows(meter)] == [4]
    meter.cloned = lambda voice_id, account: (voice_id, account) == ("clone", "default")
    assert meter.benefit("clone", "default") == "voice_unified_duration_custom"
    assert meter.benefit("clone", "somebody") == SYSTEM_VOICE


def test_without_a_licence_speech_costs_points() -> None:
    meter = a_meter(voice_licence="none", points_per_1000_chars=10, points_per_asr_minute=6)
    meter.quotas.put("default", a_rule(limit=0))
    meter.quotas.put("default", a_rule(benefit_id="2", benefit_type=POINTS, limit=1))
    # The rule in seconds has no effect without the licence.
    assert meter.allowed(GRANT) is None
    gauge = speech(meter)
    gauge.said(5000)
    gauge.heard(5000)
    gauge.wrote("0123456789" * 5)
    gauge.close()
    heard, said = sorted(rows(meter), key=lambda row: row.tts_count)
    assert (heard.milli, said.milli) == (500, 500)
    assert {heard.balance_type, said.balance_type} == {2}
    verdict = meter.allowed(GRANT)
    assert verdict is not None and verdict.limitation.benefit_id == "2"


def test_tokens_without_device_info_are_billed_and_never_limited() -> None:
    meter = a_meter()
    meter.quotas.put("default", a_rule(entity_type="enterprise_all_devices", entity_id="", limit=0))
    nobody = Grant("pat_1", "default")
    gauge = speech(meter, nobody)
    gauge.said(99_000)
    assert gauge.verdict() is None and meter.allowed(nobody) is None
    gauge.close()
    assert [(row.device_id, row.milli) for row in rows(meter)] == [("", 99_000)]


def test_a_rule_belongs_to_its_tenant() -> None:
    meter = a_meter()
    meter.quotas.put("somebody", a_rule(limit=0))
    assert meter.allowed(GRANT) is None


def test_members_of_an_enterprise_share_its_rules() -> None:
    store = Store(None, TABLES)
    accounts = Accounts(store)
    accounts.put("ann", enterprise_id="e1")
    accounts.put("bob", enterprise_id="e1")
    meter = Meter(store, accounts, Plan(), Clock())
    meter.quotas.put(meter.tenant("ann"), a_rule(limit=0))
    assert meter.allowed(Grant("t", "bob", device_id=DEVICE)) is not None


def test_two_turns_at_once_draw_on_one_quota() -> None:
    meter = a_meter()
    meter.quotas.put("default", a_rule(limit=5))
    one, two = speech(meter), speech(meter)
    one.said(3000)
    two.said(1500)
    assert one.verdict() is None
    two.said(500)
    assert one.verdict() is not None and two.verdict() is not None
    with pytest.raises(Exhausted) as refused:
        one.check()
    assert refused.value.code == 4011
    one.close()
    assert two.verdict() is not None
    two.close()
    assert meter.ledger.used("default", refused.value.verdict.entity, SYSTEM_VOICE, 0) == 5.0


def test_a_rule_made_in_the_middle_of_a_turn_holds() -> None:
    meter = a_meter()
    gauge = speech(meter)
    gauge.said(4000)
    assert gauge.verdict() is None
    meter.quotas.put("default", a_rule(limit=3))
    assert gauge.verdict() is not None
    meter.quotas.put("default", a_rule(limit=3, status="frozen"))
    assert gauge.verdict() is None


def test_a_new_period_begins_anew() -> None:
    clock = Clock()
    meter = a_meter(clock)
    meter.quotas.put("default", a_rule(limit=5, trigger_unit="hour"))
    gauge = speech(meter)
    gauge.said(5000)
    gauge.close()
    verdict = meter.allowed(GRANT)
    assert verdict is not None and verdict.resets_at == NOW + 3600
    assert meter.allowed(GRANT, NOW + 3599) is not None
    assert meter.allowed(GRANT, NOW + 3600) is None


@pytest.mark.parametrize(
    ("milli", "text"),
    [(0, "0"), (160, "0.16"), (1000, "1"), (12_345, "12.345"), (7, "0.007"), (-1500, "-1.5")],
)
def test_amounts_are_written_short(milli: int, text: str) -> None:
    assert decimal(milli) == text


# --- on the wire --------------------------------------------------------------------------------


def prepare(emulator: Emulator, clock: Clock, *rules: Limitation) -> None:
    service = emulator.service
    service.now = clock
    service.issued.add(GRANT, clock.now)
    for rule in rules:
        service.meter.quotas.put("default", rule)


def heard_s(frames: Iterable[Frame]) -> float:
    """Seconds of 24 kHz PCM that the client got."""
    deltas = (f["data"]["content"] for f in frames if f["event_type"] == "conversation.audio.delta")
    return sum(len(base64.b64decode(delta)) for delta in deltas) / 2 / 24000


def metered_s(emulator: Emulator) -> float:
    found = rows(emulator.service.meter)
    return sum(row.milli for row in found if row.balance_type in (3, 4)) / 1000


async def ended(talker: Client) -> list[Frame]:
    """Ask, and take everything up to the end of the turn or a refusal."""
    await talker.ask()
    got: list[Frame] = []
    last = ("conversation.chat.completed", "conversation.chat.failed", "error")
    while not got or got[-1]["event_type"] not in last:
        got.append(await talker.next())
    return got


def spent_script(**switches: Any) -> Any:
    return fast_script(switches=switches)


def test_the_metered_seconds_are_those_that_were_sent() -> None:
    async def body() -> None:
        clock = Clock()
        async with running() as emulator:
            prepare(emulator, clock)
            async with client(emulator, token=TOKEN) as talker:
                frames = await ended(talker)
                frames += await ended(talker)
            assert heard_s(frames) > 4
            assert metered_s(emulator) == pytest.approx(heard_s(frames), abs=0.002)
            assert {row.device_id for row in rows(emulator.service.meter)} == {DEVICE}

    drive(body)


def test_of_an_interrupted_answer_only_what_was_sent_is_metered() -> None:
    async def body() -> None:
        clock = Clock()
        script = fast_script(timing={"speed": 20.0, "delivery": 1.0})
        async with running(script) as emulator:
            prepare(emulator, clock)
            async with client(emulator, token=TOKEN) as talker:
                await talker.ask()
                frames = await talker.until("conversation.audio.delta")
                await talker.send("conversation.chat.cancel")
                frames += await talker.until("conversation.chat.canceled")
                assert 0 < heard_s(frames) < 2
                # One packet may have been on its way.
                assert metered_s(emulator) == pytest.approx(heard_s(frames), abs=0.26)

    drive(body)


def test_what_was_heard_is_on_the_bill() -> None:
    async def body() -> None:
        clock = Clock()
        async with running() as emulator:
            prepare(emulator, clock)
            async with client(emulator, token=TOKEN) as talker:
                await talker.update(input_audio=PCM_IN)
                await talker.append(tone(1000))
                await talker.send("input_audio_buffer.complete")
                await talker.until("conversation.chat.completed")
                await talker.append(silence(500))
                await talker.send("input_audio_buffer.complete")
                await talker.until("conversation.audio_transcript.completed")

            def heard() -> list[int]:
                found = rows(emulator.service.meter)
                return [row.asr_audio_length for row in found if row.asr_audio_length]

            # What led to no turn is written when the connection ends.
            async with asyncio.timeout(5):
                while len(heard()) < 2:
                    await asyncio.sleep(0.01)
            assert sorted(heard()) == [500, 1000]

    drive(body)


def test_refused_by_an_error_at_the_first_turn() -> None:
    async def body() -> None:
        clock = Clock()
        async with running() as emulator:
            prepare(emulator, clock, a_rule(limit=0, trigger_unit="hour"))
            async with client(emulator, token=TOKEN) as talker:
                await talker.update(chat_config={"user_id": "1"})
                frames = await ended(talker)
                assert types(frames) == ["error"]
                assert frames[0]["data"]["code"] == 4011
                clock.now += 3600
                emulator.service.meter.quotas.put("default", a_rule(limit=10, trigger_unit="hour"))
                assert types(await ended(talker))[-1] == "conversation.chat.completed"

    drive(body)


def test_a_code_of_one_s_own() -> None:
    async def body() -> None:
        async with running(spent_script(quota_code=4028)) as emulator:
            prepare(emulator, Clock(), a_rule(limit=0))
            async with client(emulator, token=TOKEN) as talker:
                [refusal] = await ended(talker)
                assert refusal["data"]["code"] == 4028

    drive(body)


def test_refused_by_a_failed_chat() -> None:
    async def body() -> None:
        async with running(spent_script(quota_form="failed")) as emulator:
            prepare(emulator, Clock(), a_rule(limit=0))
            async with client(emulator, token=TOKEN) as talker:
                frames = await ended(talker)
                assert types(frames) == [
                    "conversation.message.completed",
                    "conversation.chat.created",
                    "conversation.chat.in_progress",
                    "conversation.chat.failed",
                ]
                failed = frames[-1]["data"]
                assert failed["status"] == "failed" and failed["last_error"]["code"] == 4011

    drive(body)


def test_refused_at_the_upgrade() -> None:
    async def body() -> None:
        clock = Clock()
        async with running(spent_script(quota_form="upgrade")) as emulator:
            prepare(emulator, clock, a_rule(limit=1, trigger_unit="minute"))
            async with client(emulator, token=TOKEN) as talker:
                frames = await ended(talker)
                assert types(frames)[-1] == "conversation.chat.failed"
                # While it is connected it is told in the words of the first form.
                assert types(await ended(talker)) == ["error"]
            with pytest.raises(InvalidStatus) as refused:
                async with client(emulator, token=TOKEN):
                    pass
            assert refused.value.response.status_code == 403
            assert b'"code": 4011' in (refused.value.response.body or b"")
            # Others are not concerned, and the next minute is a new one.
            async with client(emulator, token="somebody"):
                pass
            clock.now += 60
            async with client(emulator, token=TOKEN) as talker:
                assert types(await ended(talker))[-1] == "conversation.chat.failed"

    drive(body)


@pytest.mark.parametrize("form", ["failed", "error"])
def test_a_running_answer_stops_at_the_limit(form: str) -> None:
    async def body() -> None:
        async with running(spent_script(quota_mid_turn=form)) as emulator:
            prepare(emulator, Clock(), a_rule(limit=1))
            async with client(emulator, token=TOKEN) as talker:
                frames = await ended(talker)
                assert 1.0 <= heard_s(frames) < 1.0 + 0.31
                assert metered_s(emulator) == pytest.approx(heard_s(frames), abs=0.002)
                last = frames[-1]
                if form == "failed":
                    assert last["event_type"] == "conversation.chat.failed"
                    assert last["data"]["last_error"]["code"] == 4011
                else:
                    assert last["event_type"] == "error" and last["data"]["code"] == 4011
                assert await talker.quiet() == []
                assert types(await ended(talker)) == ["error"]

    drive(body)


def test_a_running_answer_may_finish() -> None:
    async def body() -> None:
        async with running(spent_script(quota_mid_turn="finish")) as emulator:
            prepare(emulator, Clock(), a_rule(limit=1))
            async with client(emulator, token=TOKEN) as talker:
                frames = await ended(talker)
                assert frames[-1]["event_type"] == "conversation.chat.completed"
                assert heard_s(frames) > 2
                assert types(await ended(talker)) == ["error"]

    drive(body)


def test_speech_without_a_chat_counts_and_stops_too() -> None:
    async def body() -> None:
        async with running() as emulator:
            prepare(emulator, Clock(), a_rule(limit=1))
            async with client(emulator, token=TOKEN) as talker:
                await talker.send("input_text.generate_audio", mode="text", text="One. Two.")
                frames = await talker.until("error")
                assert 1.0 <= heard_s(frames) < 1.31
                await talker.send("input_text.generate_audio", mode="text", text="Three.")
                assert types(await talker.until("error")) == ["error"]

    drive(body)


def test_the_device_in_the_address_is_not_metered() -> None:
    async def body() -> None:
        rule = a_rule(entity_id="9001", limit=0)
        async with running() as emulator:
            prepare(emulator, Clock(), rule)
            query = "bot_id=1&device_id=9001"
            async with client(emulator, query, token="a_personal_token") as talker:
                assert types(await ended(talker))[-1] == "conversation.chat.completed"
            async with client(emulator, query, token=TOKEN) as talker:
                assert types(await ended(talker))[-1] == "conversation.chat.completed"
            assert {row.device_id for row in rows(emulator.service.meter)} == {"", DEVICE}

    drive(body)


def test_usage_survives_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.db"

    async def body() -> None:
        clock = Clock()
        async with running(state=state) as emulator:
            prepare(emulator, clock, a_rule(limit=3, trigger_unit="day"))
            async with client(emulator, token=TOKEN) as talker:
                await ended(talker)
            used = metered_s(emulator)
            assert 2 < used < 3
        async with running(state=state) as emulator:
            emulator.service.now = clock
            assert metered_s(emulator) == used
            async with client(emulator, token=TOKEN) as talker:
                assert types(await ended(talker))[-1] == "conversation.chat.failed"
                assert types(await ended(talker)) == ["error"]

    drive(body)
