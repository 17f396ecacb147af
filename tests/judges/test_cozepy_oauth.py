"""The official Python SDK and the emulator's OAuth flows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.judges.judge import Report, court, gave, needs_python_sdk, raised

pytestmark = needs_python_sdk


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    with court(tmp_path_factory.mktemp("oauth")) as emulator:
        yield emulator.python("oauth")


def test_a_device_polls_until_a_person_allowed_it(seen: Report) -> None:
    code, token = gave(seen, "device.code"), gave(seen, "device.polled")
    assert code["verification_url"].endswith(f"/device?user_code={code['user_code']}")
    assert token["access_token"].startswith("czu_")
    assert token["refresh_token"]
    # A time, not a duration.
    assert 600 < token["expires_in"] - time.time() <= 900
    assert gave(seen, "device.polled_s") < 9
    assert gave(seen, "device.me")["user_id"]
    assert "expired_token" in raised(seen, "device.again")["text"]


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ("poll.pending", "authorization_pending"),
        ("poll.fast", "slow_down"),
        ("poll.denied", "access_denied"),
    ],
)
def test_the_sdk_understands_what_a_poll_gets(seen: Report, step: str, word: str) -> None:
    error = raised(seen, step)
    assert error["type"] == "CozePKCEAuthError"
    assert error["text"].endswith(word)


def test_a_scoped_code_looks_the_same(seen: Report) -> None:
    assert gave(seen, "scoped.code").keys() == gave(seen, "device.code").keys()


@pytest.mark.parametrize("step", ["poll.unknown", "client.unknown", "pkce.wrong", "web.wrong"])
def test_refusals_carry_words_and_a_log_id(seen: Report, step: str) -> None:
    error = raised(seen, step)
    assert error["type"] == "CozeAPIError"
    assert error["msg"]
    assert error["logid"]


def test_refresh_tokens_work_once(seen: Report) -> None:
    renewed, before = gave(seen, "refresh"), gave(seen, "device.polled")
    assert renewed["refresh_token"] != before["refresh_token"]
    assert renewed["access_token"] != before["access_token"]
    assert gave(seen, "refresh.me") == gave(seen, "device.me")
    assert raised(seen, "refresh.again")["type"] == "CozeAPIError"


def test_a_back_end_signs_for_a_token(seen: Report) -> None:
    token = gave(seen, "jwt")
    assert token["access_token"].startswith("czs_")
    assert 300 < token["expires_in"] - time.time() <= 600
    assert gave(seen, "jwt.me")["user_id"]
    assert gave(seen, "jwt.auth") == gave(seen, "jwt.me")


def test_a_token_for_one_bot_is_no_token_for_another(seen: Report) -> None:
    assert gave(seen, "jwt.scoped")["access_token"]
    assert raised(seen, "jwt.scoped.bot")["code"] == 4101


def test_a_jwt_is_checked(seen: Report) -> None:
    assert "duration_seconds" in raised(seen, "jwt.long")["msg"]
    assert "kid" in raised(seen, "jwt.forged")["msg"]


def test_a_jwt_that_names_a_device_works_once(seen: Report) -> None:
    assert gave(seen, "jwt.device")["access_token"].startswith("czs_")
    replayed = gave(seen, "jwt.replayed")
    assert replayed["error"] == replayed["error_code"] == "invalid_request"
    assert "jti" in replayed["error_description"]


@pytest.mark.parametrize("method", ["plain", "S256"])
def test_a_login_with_pkce(seen: Report, method: str) -> None:
    assert gave(seen, f"pkce.{method}.back")["state"] == f"state {method}"
    assert gave(seen, f"pkce.{method}")["access_token"].startswith("czu_")
    assert gave(seen, f"pkce.{method}.me")["user_id"]


def test_a_login_with_a_secret(seen: Report) -> None:
    assert gave(seen, "web.back")["state"] == "s"
    token, renewed = gave(seen, "web"), gave(seen, "web.refresh")
    assert token["access_token"].startswith("czu_")
    assert renewed["refresh_token"] != token["refresh_token"]
