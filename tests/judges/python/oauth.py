"""The OAuth flows through the official Python SDK.

    python oauth.py BASE_URL

Where a person has to decide, the client does as a browser would: it opens the page and sends its
form.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from authlib.jose import jwt
from cozepy import (
    Coze,
    DeviceOAuthApp,
    JWTAuth,
    JWTOAuthApp,
    PKCEOAuthApp,
    Scope,
    TokenAuth,
    WebOAuthApp,
    load_oauth_app_from_config,
)
from steps import Steps

REDIRECT = "http://127.0.0.1:1/callback"
VERIFIER = "a-verifier-that-is-long-enough-for-every-server-0123456789"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Person:
    """Somebody with a browser."""

    def __init__(self) -> None:
        self.browser = httpx.Client(follow_redirects=False)

    def decide(self, page: str, decision: str) -> httpx.Response:
        """Open the page of a link, and press one of its two buttons."""
        shown = self.browser.get(page)
        assert shown.status_code == 200, shown.text
        address = urlsplit(page)
        fields = {name: values[0] for name, values in parse_qs(address.query).items()}
        return self.browser.post(page.partition("?")[0], data={**fields, "decision": decision})

    def code(self, page: str) -> dict[str, str]:
        """What the app gets back after a login."""
        answer = self.decide(page, "allow")
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}


class Flows:
    def __init__(self, base: str) -> None:
        self.base = base
        self.steps = Steps()
        self.person = Person()

    def me(self, token: str) -> Any:
        return Coze(auth=TokenAuth(token), base_url=self.base).users.me()

    def polling(self) -> None:
        """The SDK asks again every 5 s, whatever interval it was told."""
        app = DeviceOAuthApp("demo-device", base_url=self.base)
        code = self.steps.take("device.code", app.get_device_code)
        threading.Timer(1.0, self.person.decide, (code.verification_url, "allow")).start()
        began = time.monotonic()
        token = self.steps.take("device.polled", app.get_access_token, code.device_code, poll=True)
        self.steps.take("device.polled_s", lambda: time.monotonic() - began)
        self.steps.take("device.me", self.me, token.access_token)
        self.steps.take("device.again", app.get_access_token, code.device_code)
        renewed = self.steps.take("refresh", app.refresh_access_token, token.refresh_token)
        self.steps.take("refresh.me", self.me, renewed.access_token)
        self.steps.take("refresh.again", app.refresh_access_token, token.refresh_token)

    def answers(self) -> None:
        """Every answer that a poll can get."""
        app = DeviceOAuthApp("demo-device", base_url=self.base)
        code = self.steps.take("scoped.code", app.get_device_code, workspace_id="7300000000000001")
        self.steps.take("poll.pending", app.get_access_token, code.device_code)
        self.steps.take("poll.fast", app.get_access_token, code.device_code)
        self.person.decide(code.verification_url, "deny")
        self.steps.take("poll.denied", app.get_access_token, code.device_code)
        self.steps.take("poll.unknown", app.get_access_token, "made_up")
        self.steps.take(
            "client.unknown", DeviceOAuthApp("nobody", base_url=self.base).get_device_code
        )

    def fleet(self) -> None:
        """The JWT flow of a back end."""
        config = self.person.browser.get(f"{self.base}/emulator/demo-jwt.json").json()
        app = load_oauth_app_from_config(config)
        assert isinstance(app, JWTOAuthApp)
        token = self.steps.take("jwt", app.get_access_token, ttl=600, session_name="guest-1")
        self.steps.take("jwt.me", self.me, token.access_token)
        scope = Scope.build_bot_chat(["7400000000000000009"])
        bound = self.steps.take("jwt.scoped", app.get_access_token, ttl=600, scope=scope)
        self.steps.take(
            "jwt.scoped.bot",
            lambda: Coze(auth=TokenAuth(bound.access_token), base_url=self.base).chat.create(
                bot_id="7400000000000000001", user_id="u"
            ),
        )
        self.steps.take("jwt.long", app.get_access_token, ttl=86_400)
        self.steps.take(
            "jwt.auth", lambda: Coze(auth=JWTAuth(oauth_app=app), base_url=self.base).users.me()
        )
        forged = JWTOAuthApp("demo-jwt", config["private_key"], "another-kid", base_url=self.base)
        self.steps.take("jwt.forged", forged.get_access_token)
        # The SDK has no way to name the device; a back end signs for it itself.
        now = int(time.time())
        claims = {
            "iss": "demo-jwt",
            "aud": urlsplit(self.base).netloc,
            "iat": now,
            "exp": now + 600,
            "jti": f"judge-{now}-0123456789abcdef0123456789abcdef",
            "session_name": "guest-2",
            "session_context": {"device_info": {"device_id": "KSK-1"}},
        }
        head = {"alg": "RS256", "typ": "JWT", "kid": config["public_key_id"]}
        signed = jwt.encode(head, claims, config["private_key"]).decode()
        self.steps.take("jwt.device", self._exchange, signed)
        self.steps.take("jwt.replayed", self._exchange, signed)

    def _exchange(self, signed: str) -> Any:
        return self.person.browser.post(
            f"{self.base}/api/permission/oauth2/token",
            json={"grant_type": JWT_GRANT, "duration_seconds": 900},
            headers={"Authorization": f"Bearer {signed}"},
        ).json()

    def logins(self) -> None:
        """The two flows that end in a redirect."""
        pkce = PKCEOAuthApp("demo-pkce", base_url=self.base)
        for method in ("plain", "S256"):
            page = pkce.get_oauth_url(REDIRECT, VERIFIER, method, state=f"state {method}")
            back = self.steps.take(f"pkce.{method}.back", self.person.code, page)
            token = self.steps.take(
                f"pkce.{method}", pkce.get_access_token, REDIRECT, back["code"], VERIFIER
            )
            self.steps.take(f"pkce.{method}.me", self.me, token.access_token)
        page = pkce.get_oauth_url(REDIRECT, VERIFIER, "S256", workspace_id="7300000000000001")
        back = self.person.code(page)
        self.steps.take(
            "pkce.wrong", pkce.get_access_token, REDIRECT, back["code"], "another-verifier"
        )
        web = WebOAuthApp("demo-web", "demo-web-secret", base_url=self.base)
        back = self.steps.take("web.back", self.person.code, web.get_oauth_url(REDIRECT, "s"))
        token = self.steps.take("web", web.get_access_token, REDIRECT, back["code"])
        self.steps.take("web.refresh", web.refresh_access_token, token.refresh_token)
        thief = WebOAuthApp("demo-web", "not-the-secret", base_url=self.base)
        back = self.person.code(web.get_oauth_url(REDIRECT))
        self.steps.take("web.wrong", thief.get_access_token, REDIRECT, back["code"])


def main(base: str) -> None:
    flows = Flows(base)
    # Most of the time goes by in the sleep between two polls.
    polling = threading.Thread(target=flows.polling)
    polling.start()
    flows.answers()
    flows.fleet()
    flows.logins()
    polling.join()
    flows.steps.write()


if __name__ == "__main__":
    main(sys.argv[1])
