"""JWTs of any shape, without a network."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.apps import App
from agent.emulator.assertion import Assertion, grant_of
from agent.emulator.desk import Desk
from agent.emulator.issued import Tokens
from agent.emulator.oauth import OAuthError, OAuthSettings
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from tests.emulator.site import START, key, signed

_HOSTS = ("here",)


def desk() -> Desk:
    store = Store(None, TABLES)
    found = Desk([], OAuthSettings(), store, Tokens(store), lambda: START)
    app = App("fleet", "jwt", "Fleet", kid="k", public_key=key().public_key())
    found.apps._known["fleet"] = app
    return found


_DESK = desk()
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["device_info", "device_id", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_claims = st.dictionaries(
    st.sampled_from(["iss", "aud", "iat", "exp", "jti", "session_name", "session_context"]), _json
)


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_text_of_any_kind_is_refused(token: str) -> None:
    with pytest.raises(OAuthError):
        _DESK.assertions.check(token, _HOSTS)


@given(_claims)
@settings(max_examples=80, deadline=None)
def test_claims_of_any_kind_are_right_or_refused(changed: dict[str, Any]) -> None:
    good = {"iss": "fleet", "aud": "here", "iat": START, "exp": START + 60, "jti": "j"}
    token = signed({"alg": "RS256", "kid": "k"}, {**good, **changed}, key())
    try:
        found = _DESK.assertions.check(token, _HOSTS)
    except OAuthError as error:
        assert error.body()["error"] == error.error
        return
    assert found.jti and found.expires_at > START


@given(st.dictionaries(st.sampled_from(["duration_seconds", "scope"]), _json))
@settings(max_examples=80, deadline=None)
def test_bodies_of_any_kind_are_right_or_refused(body: dict[str, Any]) -> None:
    app = App("fleet", "jwt", "Fleet")
    assertion = Assertion(app, "j", START + 60, "", "", "")
    try:
        grant = grant_of(assertion, body, "t", "a", START)
    except OAuthError:
        return
    assert grant.expires_at is not None and START < grant.expires_at <= START + 86_399


def test_used_jtis_are_forgotten_when_the_jwt_would_be_too_old_anyway() -> None:
    store = Store(None, TABLES)
    now = [START]
    assertions = Desk([], OAuthSettings(), store, Tokens(store), lambda: now[0]).assertions
    app = App("fleet", "jwt", "Fleet")
    for number in range(100):
        assertions.use(Assertion(app, str(number), now[0] + 60, "", "", ""))
        now[0] += 10
    rows = store.rows("SELECT * FROM used_jwt")
    assert len(rows) < 10
