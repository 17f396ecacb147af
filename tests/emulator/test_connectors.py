"""Channels: installing, binding devices, publishing to them, reviewing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.emulator.connectors import Binding
from tests.emulator.doubles import drive, fast_script
from tests.emulator.site import Site, site

PATH = "/v1/connectors/777"
KIOSKS = {
    "configs": [
        {
            "key": "device_id",
            "enums": [
                {"label": "Kiosk lobby", "value": "KSK000123"},
                {"label": "Kiosk hall", "value": "KSK000124"},
            ],
        }
    ]
}


async def bind(place: Site, body: Any = KIOSKS) -> dict[str, Any]:
    _, reply = await place.post(f"{PATH}/user_configs", "admin", json=body)
    found: dict[str, Any] = reply
    return found


async def publish(place: Site, **values: Any) -> dict[str, Any]:
    _, reply = await place.post("/v1/bot/create", "admin", json={"space_id": "1", "name": "Kiosk"})
    body = {"bot_id": reply["data"]["bot_id"], "connector_ids": ["1024"], **values}
    _, reply = await place.post("/v1/bot/publish", "admin", json=body)
    found: dict[str, Any] = reply
    return found


async def install(place: Site) -> None:
    _, reply = await place.post(f"{PATH}/install", "admin", json={"workspace_id": "1"})
    assert reply["code"] == 0 and "data" not in reply


def test_bound_devices_are_kept(tmp_path: Path) -> None:
    async def body() -> None:
        async with site(state=tmp_path / "state.db") as place:
            await install(place)
            await install(place)
            assert (await place.post(f"{PATH}/install", "admin", json={}))[1]["code"] == 4000
            reply = await bind(place)
            assert reply["code"] == 0 and "data" not in reply
        async with site(state=tmp_path / "state.db") as place:
            connectors = place.service.connectors
            assert connectors.installed("777") == ["1"]
            assert connectors.bindings("777") == [
                Binding("device_id", "KSK000123", "Kiosk lobby"),
                Binding("device_id", "KSK000124", "Kiosk hall"),
            ]

    drive(body)


@pytest.mark.parametrize(("form", "values"), [("replace", ["3"]), ("add", ["1", "2", "3"])])
def test_a_second_list(form: str, values: list[str]) -> None:
    def listed(*ids: str) -> dict[str, Any]:
        enums = [{"label": "a device", "value": id} for id in ids]
        return {"configs": [{"key": "device_id", "enums": enums}], "user_id": "44"}

    async def body() -> None:
        async with site(fast_script(switches={"user_configs": form})) as place:
            await bind(place, listed("1", "2"))
            await bind(place, {**KIOSKS, "user_id": "55"})
            await bind(place, listed("3"))
            found = place.service.connectors.bindings("777", "44")
            assert sorted(binding.value for binding in found) == values

    drive(body)


@pytest.mark.parametrize(
    "configs",
    [
        None,
        [],
        "device_id",
        [1],
        [{"key": "device_id"}],
        [{"key": "device_id", "enums": []}],
        [{"key": "", "enums": [{"label": "a", "value": "1"}]}],
        [{"key": "device_id", "enums": ["1"]}],
        [{"key": "device_id", "enums": [{"label": "a"}]}],
        [{"key": "device_id", "enums": [{"value": "1"}]}],
        [{"key": "device_id", "enums": [{"label": "a", "value": 1}]}],
        [{"key": "device_id", "enums": [{"label": "a", "value": "1"}] * 2}],
    ],
)
def test_wrong_bindings_are_refused(configs: Any) -> None:
    async def body() -> None:
        async with site() as place:
            reply = await bind(place, {"configs": configs})
            assert reply["code"] == 4000 and "configs" in reply["msg"]

    drive(body)


def test_publishing_to_chosen_devices() -> None:
    async def body() -> None:
        async with site() as place:
            await install(place)
            await bind(place)
            chosen = {"777": {"device_id": json.dumps(["KSK000124"])}}
            reply = await publish(place, connector_ids=["1024", "777"], connectors=chosen)
            assert reply["code"] == 0, reply
            bot_id = reply["data"]["bot_id"]
            listing = place.service.connectors.listed("777", bot_id)
            assert listing is not None and listing.config == {"device_id": ["KSK000124"]}
            # Nobody reviews what is published to a channel without a callback.
            assert listing.audit_status == 2
            assert place.service.connectors.listed("1024", bot_id) is not None
            path = f"/v1/bots/{bot_id}/unpublish"
            await place.post(path, "admin", json={"connector_id": "777"})
            assert place.service.connectors.listed("777", bot_id) is None

    drive(body)


@pytest.mark.parametrize(
    "connectors",
    [
        [],
        {"777": "all"},
        {"777": {"device_id": ["KSK000123"]}},
        {"777": {"device_id": "KSK000123"}},
        {"777": {"device_id": "[1]"}},
        {"777": {"device_id": '["KSK999999"]'}},
        {"888": {"device_id": '["KSK000123"]'}},
    ],
)
def test_wrong_choices_are_refused_and_nothing_is_published(connectors: Any) -> None:
    async def body() -> None:
        async with site() as place:
            await install(place)
            await bind(place)
            reply = await publish(place, connector_ids=["777"], connectors=connectors)
            assert reply["code"] == 4000
            assert place.service.store.rows("SELECT 1 FROM connector_bot") == []

    drive(body)


def test_a_channel_must_be_installed() -> None:
    async def body() -> None:
        async with site() as place:
            reply = await publish(place, connector_ids=["777"])
            assert reply["code"] == 4000 and "777" in reply["msg"]

    drive(body)


def test_reviews() -> None:
    async def body() -> None:
        async with site() as place:
            reply = await publish(place)
            path = f"/v1/connectors/1024/bots/{reply['data']['bot_id']}"

            async def review(path: str, **values: Any) -> int:
                _, answer = await place._answer("PUT", path, "admin", {"json": values})
                code: int = answer["code"]
                return code

            assert await review(path, audit_status=3, reason="no picture") == 0
            assert await review(path, audit_status=3) == 4000
            assert await review(path, audit_status=4) == 4000
            assert await review("/v1/connectors/1024/bots/nobody", audit_status=2) == 4200

    drive(body)
