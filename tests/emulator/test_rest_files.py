"""Files and variables over REST."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.emulator import files
from agent.emulator.fields import Refusal
from agent.emulator.files import Files
from agent.emulator.ids import Ids
from agent.emulator.server import Emulator
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from tests.emulator.rest import Rest, serving


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Rest, Emulator]]:
    with serving(tokens={"accounts": {"other": "other"}}) as pair:
        yield pair


@pytest.fixture
def rest(both: tuple[Rest, Emulator]) -> Rest:
    return both[0]


def test_a_file_is_uploaded_and_found(both: tuple[Rest, Emulator]) -> None:
    rest, emulator = both
    content = bytes(range(256)) * 12_000
    file = rest.form("POST", "/v1/files/upload", content, other="field").data
    assert (file["bytes"], file["file_name"]) == (len(content), "a.wav")
    assert rest.get("/v1/files/retrieve", file_id=file["id"]).data == file
    kept = emulator.service.files
    assert kept.read(kept.find(file["id"], "default")) == content
    other = Rest(rest.base, "other")
    assert other.get("/v1/files/retrieve", file_id=file["id"]).code == 4200


@pytest.mark.parametrize(("sent", "code"), [((), 4300), ((b"",), 4300), ((b"a", b"b"), 4301)])
def test_wrong_uploads_leave_nothing(
    both: tuple[Rest, Emulator], sent: tuple[bytes, ...], code: int
) -> None:
    rest, emulator = both
    before = parts(emulator)
    assert rest.form("POST", "/v1/files/upload", *sent).code == code
    assert parts(emulator) == before


def test_a_file_that_is_too_big(
    both: tuple[Rest, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    rest, emulator = both
    monkeypatch.setattr(files, "LARGEST", 2_000_000)
    before = parts(emulator)
    assert rest.form("POST", "/v1/files/upload", bytes(2_000_001)).code == 4302
    assert parts(emulator) == before


def parts(emulator: Emulator) -> int:
    row = emulator.service.store.row("SELECT count(*) AS n FROM file_part")
    assert row is not None
    return int(row["n"])


def kept(store: Store, now: list[float]) -> Files:
    return Files(store, Ids(), lambda: now[0])


def put(shelf: Files, size: int) -> str:
    upload = shelf.upload()
    upload.write(bytes(size))
    return upload.finish("a", "x").id


def test_the_oldest_files_make_room_and_all_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_IN_MEMORY", 1000)
    now = [0.0]
    shelf = kept(Store(None, TABLES), now)
    first, second, third = put(shelf, 400), put(shelf, 400), put(shelf, 400)
    for id, there in ((first, False), (second, True), (third, True)):
        if there:
            assert shelf.find(id, "a").bytes == 400
        else:
            with pytest.raises(Refusal):
                shelf.find(id, "a")
    now[0] = 91 * 24 * 3600.0
    with pytest.raises(Refusal):
        shelf.find(third, "a")


def test_what_was_never_finished_is_gone_after_a_restart(tmp_path: Path) -> None:
    now = [0.0]
    store = Store(tmp_path / "state", TABLES)
    shelf = kept(store, now)
    whole = put(shelf, 5)
    shelf.upload().write(bytes(3 << 20))
    store.close()
    store = Store(tmp_path / "state", TABLES)
    shelf = kept(store, now)
    assert shelf.read(shelf.find(whole, "a")) == bytes(5)
    assert len(store.rows("SELECT part FROM file_part")) == 1
    store.close()


# --- variables --------------------------------------------------------------------------------


def setting(rest: Rest, *pairs: tuple[str, str], **more: Any) -> Any:
    data = [{"keyword": keyword, "value": value} for keyword, value in pairs]
    body = {"bot_id": "1", "connector_uid": "u", "data": data, **more}
    return rest.call("PUT", "/v1/variables", body)


def test_variables_belong_to_a_bot_and_its_user(rest: Rest) -> None:
    assert "data" not in setting(rest, ("name", "Anna"), ("city", "Ulm")).body
    setting(rest, ("name", "Bert"), connector_uid="v")
    asked = {"bot_id": "1", "connector_uid": "u"}
    items = rest.get("/v1/variables", **asked, keywords="name,nothing").data["items"]
    assert [(one["keyword"], one["value"]) for one in items] == [("name", "Anna")]
    assert items[0]["update_time"] >= items[0]["create_time"] > 0
    assert len(rest.get("/v1/variables", **asked).data["items"]) == 2
    setting(rest, ("name", "Clara"))
    [item] = rest.get("/v1/variables", **asked, keywords="name").data["items"]
    assert item["value"] == "Clara"
    app = rest.get("/v1/variables", app_id="1", connector_uid="u").data["items"]
    assert app == []
    assert Rest(rest.base, "other").get("/v1/variables", **asked).data["items"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"bot_id": ""},
        {"app_id": "2"},
        {"connector_uid": ""},
        {"data": []},
        {"data": ["name"]},
        {"data": [{"keyword": "x" * 65, "value": ""}]},
    ],
)
def test_what_is_wrong_with_variables_is_told(rest: Rest, change: dict[str, Any]) -> None:
    assert setting(rest, ("a", "b"), **change).code == 4000
