"""Where tokens are asked for: the apps and all that is under way between asking and getting."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.emulator.apps import Apps, ScriptedApp
from agent.emulator.assertion import Assertions
from agent.emulator.consents import DeviceCodes, LoginCodes
from agent.emulator.issued import Tokens
from agent.emulator.oauth import OAuthSettings, Pairs
from agent.emulator.store import Store


class Desk:
    """The parts of the OAuth flows. Raises ``ConfigError`` for a wrong ``[[app]]``."""

    def __init__(
        self,
        apps: Iterable[ScriptedApp],
        settings: OAuthSettings,
        store: Store,
        tokens: Tokens,
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.apps = Apps(apps, store)
        self.device_codes = DeviceCodes(store, settings, now)
        self.login_codes = LoginCodes(store, settings, now)
        self.pairs = Pairs(store, tokens, settings, now)
        self.assertions = Assertions(self.apps, store, now)
