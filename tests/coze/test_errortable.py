"""Every documented code has its class, and the rules cover what no table can."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.errortable import (
    BLOCKING,
    TABLE,
    Kind,
    classify,
    error_for,
    needs_fresh_token,
    one_line,
)
from agent.errors import ConfigError, NotPermitted, ServiceUnreachable

DOCUMENTED = {
    Kind.INPUT: [
        1109,
        3010,
        *range(4000, 4006),
        4007,
        4010,
        4105,
        4200,
        4201,
        *range(4300, 4305),
        4314,
        4315,
    ],
    Kind.CONFIG: [4006, 4012, 4015, 4021],
    Kind.QUOTA: [4008],
    Kind.BALANCE: [4011, 4019, 4022, 4027, 4028],
    Kind.RATE: [4020],
    Kind.TRANSIENT: [4009, 4013, 5000],
    Kind.TURN: [4014],
    Kind.CONFLICT: [4016, 4104],
    Kind.IDLE: [4029],
    Kind.AUTH: [4100, 700012006],
    Kind.AUTH_FATAL: [4101, 4102],
}


def test_the_table_is_the_documented_one() -> None:
    assert {kind: sorted(codes) for kind, codes in DOCUMENTED.items()} == {
        kind: sorted(code for code in TABLE if TABLE[code].kind is kind) for kind in Kind
    }


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_can_be_told(code: int) -> None:
    verdict = classify(code)
    assert verdict.code == code
    error = error_for(verdict, "server\nsays", "L1")
    assert error.code == str(code)
    assert error.logid == "L1"
    assert re.search(rf"\(code {code}: server says\)", error.message)
    if verdict.kind in BLOCKING | {Kind.AUTH, Kind.AUTH_FATAL, Kind.CONFIG} and code != 4102:
        assert verdict.remedy


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (4100, NotPermitted),
        (4101, NotPermitted),
        (4008, NotPermitted),
        (4011, NotPermitted),
        (4006, ConfigError),
        (4015, ConfigError),
        (4020, ServiceUnreachable),
        (4009, ServiceUnreachable),
        (5000, ServiceUnreachable),
    ],
)
def test_error_classes(code: int, error: type[Exception]) -> None:
    assert type(error_for(classify(code))) is error


@pytest.mark.parametrize(("code", "expected"), [(4100, True), (700012006, True), (4101, False)])
def test_only_an_invalid_token_is_renewed(code: int, expected: bool) -> None:
    assert needs_fresh_token(error_for(classify(code))) is expected
    assert not needs_fresh_token(ServiceUnreachable("x", code="timeout"))


@pytest.mark.parametrize("code", [4024, 4099, 4999, 700012999, 712345678])
def test_unknown_codes_at_turn_start_mean_not_allowed_now(code: int) -> None:
    verdict = classify(code, turn_start=True)
    assert (verdict.kind, verdict.code) == (Kind.QUOTA, code)
    assert verdict.until(100.0) == 3700.0
    assert classify(code).kind is Kind.TRANSIENT
    assert classify(code, text="device quota exhausted").kind is Kind.QUOTA


@pytest.mark.parametrize("code", [0, 1, 3999, 5001, 6000, 7000, 99999, 800000000])
def test_other_unknown_codes_are_transient(code: int) -> None:
    assert classify(code, turn_start=True).kind is Kind.TRANSIENT


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "", Kind.CONFIG),
        (401, "", Kind.AUTH),
        (402, "", Kind.BALANCE),
        (402, "Insufficient credits", Kind.QUOTA),
        (403, "", Kind.AUTH_FATAL),
        (403, "the quota of this device is used up", Kind.QUOTA),
        (403, "设备额度已用完", Kind.QUOTA),
        (404, "", Kind.CONFIG),
        (408, "", Kind.TRANSIENT),
        (418, "", Kind.TRANSIENT),
        (429, "", Kind.RATE),
        (429, "usage limit", Kind.QUOTA),
        (500, "", Kind.TRANSIENT),
        (503, "quota service down", Kind.TRANSIENT),
    ],
)
def test_http_statuses(status: int, text: str, kind: Kind) -> None:
    assert classify(0, status, text).kind is kind


def test_a_known_code_outweighs_the_http_status() -> None:
    assert classify(4015, 400).kind is Kind.CONFIG
    assert classify(4100, 401).code == 4100
    assert classify(4011, 403).kind is Kind.BALANCE


@given(st.integers(-(10**12), 10**12), st.none() | st.integers(100, 599), st.text(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_everything_has_a_verdict(
    code: int, status: int | None, text: str, turn_start: bool
) -> None:
    verdict = classify(code, status, text, turn_start=turn_start)
    assert verdict.message
    assert verdict.until(1.0) >= 1.0
    assert "\n" not in str(error_for(verdict, text))


def test_server_text_is_one_bounded_line() -> None:
    assert one_line("a\r\n\x1b[31mb\u2028c") == "a [31mb c"
    assert len(one_line("x" * 5000)) == 200
