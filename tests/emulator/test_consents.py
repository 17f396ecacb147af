"""Codes that wait for a person, without their pages."""

import re

import pytest

from agent.emulator.apps import App, Apps, fingerprint
from agent.emulator.consents import DeviceCodes, LoginCodes
from agent.emulator.issued import Tokens
from agent.emulator.oauth import OAuthError, OAuthSettings, Pairs, check_secret, find_app
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from tests.emulator.site import key

APP = App("lamp", "device", "Lamp")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_user_codes_can_be_read_aloud_and_typed_anyhow() -> None:
    codes = DeviceCodes(Store(None, TABLES), OAuthSettings(), Clock())
    made = [codes.begin(APP) for _ in range(50)]
    assert len({code.user_code for code in made}) == 50
    for code in made:
        assert re.fullmatch(r"[BCDFGHJ-NP-TV-XZ]{4}-[BCDFGHJ-NP-TV-XZ]{4}", code.user_code)
    code = made[0]
    for typed in (
        code.user_code,
        code.user_code.lower(),
        code.user_code.replace("-", ""),
        f" {code.user_code.replace('-', ' – ')} ",
    ):
        assert codes.find(typed) == code
    for typed in ("", "-", code.user_code[:-1], code.user_code + "X"):
        assert codes.find(typed) is None


def test_old_codes_are_forgotten() -> None:
    clock = Clock()
    store = Store(None, TABLES)
    devices, logins = (kind(store, OAuthSettings(), clock) for kind in (DeviceCodes, LoginCodes))
    assert isinstance(devices, DeviceCodes) and isinstance(logins, LoginCodes)
    for _ in range(50):
        devices.begin(APP)
        logins.issue(APP, "a", "http://x")
        clock.now += 86400
    assert len(store.rows("SELECT * FROM device_code")) <= 3
    assert len(store.rows("SELECT * FROM login_code")) == 1


def test_refresh_tokens_do_not_pile_up() -> None:
    clock = Clock()
    store = Store(None, TABLES)
    pairs = Pairs(store, Tokens(store), OAuthSettings(), clock)
    tokens = pairs.issue(APP, "a")
    for _ in range(50):
        clock.now += 86400
        tokens = pairs.renew(APP, tokens["refresh_token"])
    assert len(store.rows("SELECT * FROM refresh_token")) == 1
    assert len(store.rows("SELECT * FROM token")) <= 3


def test_only_web_apps_have_secrets() -> None:
    check_secret(APP, "")
    web = App("site", "web", "Site", client_secret="s")
    check_secret(web, "s")
    with pytest.raises(OAuthError) as caught:
        check_secret(web, "é")
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)


def test_apps_that_are_always_there() -> None:
    apps = Apps([], Store(None, TABLES))
    kinds = {app.client_id: app.kind for app in apps.all()}
    assert kinds == {"demo-device": "device", "demo-pkce": "pkce", "demo-web": "web"}
    assert find_app(apps, "demo-device", "device").name == "Demo device"
    with pytest.raises(OAuthError) as caught:
        find_app(apps, "demo-device", "jwt")
    assert caught.value.error == "access_deny"


def test_a_fingerprint_depends_on_the_key_alone() -> None:
    assert fingerprint(key().public_key()) == fingerprint(key().public_key())
    assert re.fullmatch(r"[\w-]{43}", fingerprint(key().public_key()))
