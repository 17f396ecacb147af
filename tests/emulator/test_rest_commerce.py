"""Limitations, benefits and bills over REST."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.emulator.bills import whole_days
from agent.emulator.limitations import NEVER_ENDS
from agent.emulator.rest import benefits, bills, limitations
from agent.emulator.script import parse_script
from agent.emulator.tokens import Grant
from tests.emulator.doubles import drive, fast_script, types
from tests.emulator.site import JWT_GRANT, START, TOKEN, Site, key, signed, site, write_public_key

LIMITATIONS, BENEFITS, BILLS = limitations.PATH, benefits.PATH, bills.PATH
DAY = 86400

INFO = {
    "benefit_type": "voice_unified_duration_system",
    "limit": 1800,
    "active_mode": "absolute_time",
    "started_at": 1767225600,
    "ended_at": NEVER_ENDS,
    "status": "valid",
    "trigger_unit": "day",
    "trigger_time": 1,
}
KIOSK = {"entity_type": "single_device", "entity_id": "KSK000123", "benefit_info": INFO}
ALL = {"entity_type": "enterprise_all_devices", "benefit_info": INFO}


def asking(**values: Any) -> dict[str, Any]:
    return {**KIOSK, "benefit_info": {**INFO, **values}}


async def created(place: Site, body: dict[str, Any] = KIOSK) -> dict[str, Any]:
    status, reply = await place.post(LIMITATIONS, "admin", json=body)
    assert (status, reply["code"]) == (200, 0), reply
    found: dict[str, Any] = reply["data"]["benefit_info"]
    return found


async def listed(place: Site, **query: Any) -> dict[str, Any]:
    wanted = {"entity_type": "single_device", "benefit_type": INFO["benefit_type"], **query}
    status, reply = await place.get(LIMITATIONS, "admin", params=wanted)
    assert (status, reply["code"]) == (200, 0), reply
    found: dict[str, Any] = reply["data"]
    return found


async def put(place: Site, path: str, body: Any) -> tuple[int, Any]:
    return await place._answer("PUT", path, "admin", {"json": body})


def test_addresses() -> None:
    assert LIMITATIONS == "/v1/commerce/benefit/limitations"
    assert BENEFITS == "/v1/commerce/benefit/benefits/get"
    assert BILLS == "/v1/commerce/benefit/bill_tasks"


# --- limitations --------------------------------------------------------------------------------


def test_made_listed_and_changed() -> None:
    async def body() -> None:
        async with site() as place:
            info = await created(place)
            assert info == {
                **INFO,
                "benefit_id": info["benefit_id"],
                "entity_type": "single_device",
                "entity_id": "KSK000123",
            }
            assert isinstance(info["benefit_id"], str)
            assert await listed(place, entity_id="KSK000123") == {
                "has_more": False,
                "page_token": "",
                "benefit_infos": [info],
            }
            path = f"{LIMITATIONS}/{info['benefit_id']}"
            status, reply = await put(place, path, {"limit": 60, "status": "frozen"})
            assert status == 200 and reply["code"] == 0 and "data" not in reply
            assert (await listed(place, entity_id="KSK000123"))["benefit_infos"] == []
            [frozen] = (await listed(place, entity_id="KSK000123", status="frozen"))[
                "benefit_infos"
            ]
            assert frozen == {**info, "limit": 60, "status": "frozen"}

    drive(body)


def test_defaults_and_old_names() -> None:
    async def body() -> None:
        async with site() as place:
            few = {key: INFO[key] for key in list(INFO)[:5]}
            info = await created(
                place, {"entity_type": "enterprise_all_identifiers", "benefit_info": few}
            )
            assert info["entity_type"] == "enterprise_all_custom_consumers"
            assert "entity_id" not in info
            assert (info["status"], info["trigger_unit"], info["trigger_time"]) == (
                "valid",
                "never",
                1,
            )
            one = await created(place, {**KIOSK, "entity_type": "single_identifier"})
            assert one["entity_type"] == "single_custom_consumer"

    drive(body)


def test_the_other_replies_of_the_documentation() -> None:
    async def body() -> None:
        switches = {"limitation_reply": "flat", "limitation_update": "info"}
        async with site(fast_script(switches=switches)) as place:
            _, reply = await place.post(LIMITATIONS, "admin", json=KIOSK)
            benefit_id = reply["data"]["benefit_id"]
            _, reply = await put(place, f"{LIMITATIONS}/{benefit_id}", {"limit": 5})
            assert reply["data"]["benefit_info"]["limit"] == 5

    drive(body)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**KIOSK, "entity_type": "everybody"},
        {**KIOSK, "entity_id": ""},
        {**KIOSK, "benefit_info": None},
        asking(limit=-1),
        asking(limit="much"),
        asking(limit=None),
        asking(benefit_type="minutes"),
        asking(active_mode="relative_time"),
        asking(started_at=10, ended_at=9),
        asking(started_at=None),
        asking(status="gone"),
        asking(trigger_unit="week"),
        asking(trigger_time=0),
    ],
)
def test_wrong_limitations_are_refused(wrong: dict[str, Any]) -> None:
    async def body() -> None:
        async with site() as place:
            status, reply = await place.post(LIMITATIONS, "admin", json=wrong)
            assert (status, reply["code"]) == (400, 4000)
            assert reply["detail"]["logid"]

    drive(body)


def test_all_devices_have_one_rule_of_each_kind() -> None:
    async def body() -> None:
        async with site() as place:
            daily = await created(place, ALL)
            ever = {**ALL, "benefit_info": {**INFO, "trigger_unit": "never", "trigger_time": 9}}
            assert (await created(place, ever))["trigger_time"] == 1
            hourly = {**ALL, "benefit_info": {**INFO, "trigger_unit": "hour"}}
            _, reply = await place.post(LIMITATIONS, "admin", json=hourly)
            assert reply["code"] == 4201
            # Once the other one is frozen there is room; then it cannot come back.
            path = f"{LIMITATIONS}/{daily['benefit_id']}"
            assert (await put(place, path, {"status": "frozen"}))[1]["code"] == 0
            await created(place, hourly)
            assert (await put(place, path, {"status": "valid"}))[1]["code"] == 4201

    drive(body)


def test_pages_of_limitations() -> None:
    async def body() -> None:
        async with site() as place:
            made = [(await created(place, asking(limit=at)))["benefit_id"] for at in range(5)]
            found, token = [], ""
            while True:
                data = await listed(place, entity_id="KSK000123", page_size=2, page_token=token)
                found += [info["benefit_id"] for info in data["benefit_infos"]]
                token = data["page_token"]
                if not data["has_more"]:
                    break
            assert found == made
            status, reply = await place.get(
                LIMITATIONS,
                "admin",
                params={
                    "entity_type": "single_device",
                    "benefit_type": INFO["benefit_type"],
                    "entity_id": "x",
                    "page_size": 201,
                },
            )
            assert (status, reply["code"]) == (400, 4000)

    drive(body)


def test_limitations_of_others_do_not_exist() -> None:
    async def body() -> None:
        script = fast_script(tokens={"accounts": {"admin": "acme"}})
        async with site(script) as place:
            info = await created(place)
            path = f"{LIMITATIONS}/{info['benefit_id']}"
            _, reply = await place._answer("PUT", path, "stranger", {"json": {"limit": 0}})
            assert reply["code"] == 4200
            params = {
                "entity_type": "single_device",
                "benefit_type": INFO["benefit_type"],
                "entity_id": "KSK000123",
            }
            _, reply = await place.get(LIMITATIONS, "stranger", params=params)
            assert reply["data"]["benefit_infos"] == []

    drive(body)


def test_limitations_need_a_plan_and_a_permission() -> None:
    async def body() -> None:
        async with site(fast_script(plan={"level": "team"})) as place:
            status, reply = await place.post(LIMITATIONS, "admin", json=KIOSK)
            assert (status, reply["code"]) == (403, 4101)
        async with site() as place:
            grant = Grant("pat_x", "default", frozenset({"listBenefitLimitation"}))
            place.service.issued.add(grant, START)
            status, reply = await place.post(LIMITATIONS, "pat_x", json=KIOSK)
            assert (status, reply["code"]) == (403, 4101)
            assert "createBenefitLimitation" in reply["msg"]

    drive(body)


def test_a_device_is_limited_once_a_signed_token_names_it(tmp_path: Path) -> None:
    write_public_key(tmp_path / "fleet.pem")
    app = {
        "client_id": "fleet",
        "kind": "jwt",
        "kid": "k1",
        "public_key_file": str(tmp_path / "fleet.pem"),
    }
    switches = {"unreported_entity": "refuse", "vad": "energy"}
    script = parse_script({"app": [app], "switches": switches, "timing": {"speed": 1000.0}}, "test")

    async def body() -> None:
        async with site(script) as place:
            _, reply = await place.post(LIMITATIONS, "admin", json=asking(limit=1))
            assert reply["code"] == 4000 and "not reported" in reply["msg"]
            now = int(place.now)
            claims = {
                "iss": "fleet",
                "aud": place.host,
                "iat": now,
                "exp": now + 60,
                "jti": "1",
                "session_context": {"device_info": {"device_id": "KSK000123"}},
            }
            assertion = signed({"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims, key())
            _, minted = await place.post(TOKEN, assertion, json={"grant_type": JWT_GRANT})
            await created(place, asking(limit=1))
            token = minted["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            path = "/v1/chat?bot_id=1&device_id=1234"
            async with place.client.ws_connect(path, headers=headers) as socket:
                ask = {
                    "event_type": "conversation.message.create",
                    "data": {"role": "user", "content_type": "text", "content": "hello"},
                }
                ended = []
                for _ in range(2):
                    await socket.send_json(ask)
                    frames: list[dict[str, Any]] = []
                    while not frames or frames[-1]["event_type"] not in (
                        "conversation.chat.failed",
                        "error",
                    ):
                        frames.append(await socket.receive_json(timeout=5))
                    ended.append(types(frames)[-1])
                assert ended == ["conversation.chat.failed", "error"]

    drive(body)


# --- benefits -----------------------------------------------------------------------------------


def test_benefits_of_the_plan() -> None:
    async def body() -> None:
        async with site(fast_script(plan={"level": "team", "extra_qps": 50})) as place:
            _, reply = await place.get(BENEFITS, "admin")
            assert reply["data"] == {"basic_info": {"user_level": "team"}}
            params = {"benefit_type_list": "api_run_qps,call_tool_limit", "resource_id": "chat"}
            _, reply = await place.get(BENEFITS, "admin", params=params)
            rate, tools = reply["data"]["benefit_info"]
            assert (rate["benefit_type"], rate["resource_id"]) == ("api_run_qps", "chat")
            assert rate["basic"]["item_info"]["total"] == 200
            assert rate["extra"][0]["item_info"]["total"] == 50
            assert rate["effective"]["item_info"]["total"] == 250
            assert rate["effective"]["status"] == "valid"
            assert tools["basic"]["item_info"]["strategy"] == "by_quota"
            for wrong in ({"benefit_type_list": "luck"}, {"benefit_type_list": "api_run_qps"}):
                status, reply = await place.get(BENEFITS, "admin", params=wrong)
                assert (status, reply["code"]) == (400, 4000)

    drive(body)


# --- bills --------------------------------------------------------------------------------------


def beijing(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) - 8 * 3600


def test_whole_days_are_those_of_china() -> None:
    now = beijing(2026, 5, 10, 0, 5)
    assert whole_days(beijing(2026, 5, 1, 13), beijing(2026, 5, 2, 1), now) == (
        beijing(2026, 5, 1),
        beijing(2026, 5, 3) - 1,
    )
    assert whole_days(beijing(2025, 3, 13), beijing(2026, 5, 9, 23, 59), now)[1] == (
        beijing(2026, 5, 10) - 1
    )
    for first, last, clause in [
        (beijing(2026, 5, 1), beijing(2026, 5, 10), "before today"),
        (beijing(2025, 3, 12, 23), beijing(2026, 5, 1), "2025-03-13"),
        (beijing(2026, 5, 2), beijing(2026, 5, 1), "after"),
        (0, 10**15, "seconds"),
    ]:
        with pytest.raises(ValueError, match=clause):
            whole_days(first, last, now)


async def spend(place: Site, turns: int = 1) -> None:
    for at in range(turns):
        gauge = place.service.meter.open(
            Grant("t", "default", device_id="KSK000123"), f"70{at}", "740"
        )
        gauge.wrote("Hello, there.")
        gauge.said(1500)
        gauge.thought(42, 62)
        gauge.close()


async def tasks(place: Site, **params: Any) -> dict[str, Any]:
    _, reply = await place.get(BILLS, "admin", params=params)
    found: dict[str, Any] = reply["data"]
    return found


def test_a_bill_from_request_to_file() -> None:
    async def body() -> None:
        async with site() as place:
            await spend(place)
            day = int(place.now)
            place.now += DAY
            await spend(place)
            _, reply = await place.post(BILLS, "admin", json={"started_at": day, "ended_at": day})
            task = reply["data"]
            assert task["status"] == "init" and task["file_urls"] == []
            assert task["ended_at"] - task["started_at"] == DAY - 1
            assert task["started_at"] <= day <= task["ended_at"]
            assert task["expires_at"] - task["created_at"] == 7 * DAY
            place.now += 30
            assert (await tasks(place))["task_infos"][0]["status"] == "running"
            place.now += 31
            [done] = (await tasks(place, task_ids=task["task_id"]))["task_infos"]
            assert done["status"] == "succeed"
            [url] = done["file_urls"]
            # No token: the address is the permission.
            response, text = await place.page("GET", url.removeprefix(f"http://{place.host}"))
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/csv")
            rows = list(csv.DictReader(io.StringIO(text)))
            amounts = sorted((row["balance_type"], row["change_balance"]) for row in rows)
            assert amounts == [("2", "0.156"), ("3", "1.5")]
            assert {row["device_id"] for row in rows} == {"KSK000123"}
            wrong, _ = await place.page(
                "GET", url.removeprefix(f"http://{place.host}").split("?")[0] + "?sign=guess"
            )
            assert wrong.status == 403
            place.now += 7 * DAY
            gone, _ = await place.page("GET", url.removeprefix(f"http://{place.host}"))
            assert gone.status == 404
            [old] = (await tasks(place, task_ids=task["task_id"]))["task_infos"]
            assert old["file_urls"] == []
            assert (await tasks(place))["total"] == 0

    drive(body)


def test_long_bills_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "ROWS_PER_FILE", 5)
    monkeypatch.setattr(bills, "_ROWS_AT_ONCE", 2)

    async def body() -> None:
        async with site() as place:
            await spend(place, 6)
            day = int(place.now)
            place.now += DAY
            await place.post(BILLS, "admin", json={"started_at": day, "ended_at": day})
            place.now += 61
            [done] = (await tasks(place))["task_infos"]
            assert len(done["file_urls"]) == 3
            ids: list[str] = []
            for url, many in zip(done["file_urls"], (5, 5, 2), strict=True):
                _, text = await place.page("GET", url.removeprefix(f"http://{place.host}"))
                found = [row["id"] for row in csv.DictReader(io.StringIO(text))]
                assert len(found) == many
                ids += found
            assert len(set(ids)) == 12

    drive(body)


def test_both_ways_to_list_tasks() -> None:
    async def body() -> None:
        async with site() as place:
            day = int(place.now) - DAY
            made = []
            for _ in range(3):
                _, reply = await place.post(
                    BILLS, "admin", json={"started_at": day, "ended_at": day}
                )
                made.append(reply["data"]["task_id"])
            joined = await tasks(place, task_ids=",".join(made[:2]))
            _, repeated = await place.get(
                BILLS, "admin", params=[("task_ids", made[0]), ("task_ids", made[1])]
            )
            assert joined == repeated["data"] and joined["total"] == 2
            assert [t["task_id"] for t in (await tasks(place, page_size=2))["task_infos"]] == [
                made[2],
                made[1],
            ]
            status, reply = await place.get(
                BILLS, "admin", params={"task_ids": ",".join(map(str, range(101)))}
            )
            assert (status, reply["code"]) == (400, 4000)

    drive(body)


def test_wrong_and_failing_bills() -> None:
    async def body() -> None:
        switches = {"bill_reply": "sample"}
        script = fast_script(plan={"bill_fails": True}, switches=switches)
        async with site(script) as place:
            today = int(place.now)
            for wrong in (
                {"started_at": today, "ended_at": today},
                {"started_at": today - DAY},
                {"started_at": "x", "ended_at": today - DAY},
            ):
                status, reply = await place.post(BILLS, "admin", json=wrong)
                assert (status, reply["code"]) == (400, 4000)
            _, reply = await place.post(
                BILLS, "admin", json={"started_at": today - DAY, "ended_at": today - DAY}
            )
            assert isinstance(reply["data"]["task_id"], int)
            assert reply["data"]["file_urls"] == ""
            place.now += 61
            [failed] = (await tasks(place))["task_infos"]
            assert failed["status"] == "failed" and failed["file_urls"] == ""

    drive(body)


def test_speech_and_transcription_over_rest_are_metered_and_limited() -> None:
    async def body() -> None:
        async with site() as place:
            grant = Grant("czs_k", "default", device_id="KSK000123")
            place.service.issued.add(grant, START)
            speak = {"input": "Hello there.", "voice_id": "1", "response_format": "wav"}
            headers = {"Authorization": "Bearer czs_k"}
            async with place.client.post(
                "/v1/audio/speech", json=speak, headers=headers
            ) as response:
                assert response.status == 200
            rows = place.service.meter.ledger.page("default", 0, 1e12, (0.0, ""), 9)
            assert [(row.milli, row.root_entity_type) for row in rows] == [(1000, 6)]
            await created(place, asking(limit=1))
            _, reply = await place.post("/v1/audio/speech", "czs_k", json=speak)
            assert reply["code"] == 4011
            chat = {"bot_id": "1", "user_id": "u", "additional_messages": []}
            _, reply = await place.post("/v3/chat", "czs_k", json=chat)
            assert reply["code"] == 4011

    drive(body)
