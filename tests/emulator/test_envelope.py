import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from agent.emulator.envelope import HEADER, Handler, envelope, refusal_response
from agent.emulator.ids import Ids


def wrapped(handler: Handler) -> web.Response:
    request = make_mocked_request("GET", "/")
    response = asyncio.run(envelope(Ids())(request, handler))
    assert isinstance(response, web.Response)
    return response


def test_a_refusal_has_the_platforms_shape() -> None:
    response = refusal_response(401, 4100, "authentication is invalid", "L")
    assert json.loads(response.text or "") == {
        "code": 4100,
        "msg": "authentication is invalid",
        "detail": {"logid": "L"},
    }
    assert (response.status, response.headers[HEADER]) == (401, "L")


def test_every_answer_has_a_log_id_and_keeps_one_of_its_own() -> None:
    async def plain(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def own(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={HEADER: "mine"})

    assert len(wrapped(plain).headers[HEADER]) == 53
    assert wrapped(own).headers[HEADER] == "mine"


def test_a_bug_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        raise RuntimeError("a bug")

    response = wrapped(broken)
    assert (response.status, json.loads(response.text or "")["code"]) == (500, 5000)
    assert "a bug" in caplog.text


def test_what_is_not_there_is_not_found() -> None:
    async def missing(request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    response = wrapped(missing)
    assert (response.status, json.loads(response.text or "")["code"]) == (404, 4200)
