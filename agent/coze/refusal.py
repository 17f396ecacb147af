"""What an HTTP answer that is no upgrade means, for a person and for the reconnect policy.

The platform refuses with a plain HTTP response, normally with the header ``X-Tt-Logid`` and the
JSON envelope ``{"code": 4100, "msg": "...", "detail": {"logid": "..."}}``; a captive portal or a
server that is something else answers whatever it likes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from agent.coze.errortable import classify, error_for, one_line
from agent.errors import ServiceUnreachable, TalkboxError

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_SIGN_IN = "Check the service address, and whether this Wi-Fi wants a sign-in first."


class DialError(ServiceUnreachable):
    """The attempt failed in a way that a later one may not.

    ``code`` is a number (the platform's, or the HTTP status), ``http-<status>`` of a server that
    seems not to be the platform, or one of: cancelled, closed, dns, not-websocket, refused,
    timeout, tls, tls-clock, tls-hostname, tls-untrusted, unreachable.
    ``retry_after``: seconds not to try again for (the server's wish), or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str = "",
        logid: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, code=code, logid=logid)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP response; ``status`` 0 stands for something that is no HTTP, or nothing at all."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def refusal_of(seen: bytes) -> Refusal:
    """As much of an HTTP response as can be read in ``seen``, whole or not, well-formed or not."""
    match = _STATUS_LINE.match(seen)
    if match is None:
        return Refusal(0, body=seen)
    head, _, body = seen[match.end() :].partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return Refusal(int(match[1]), headers, body)


def classify_refusal(place: str, refusal: Refusal, token: str = "") -> TalkboxError:
    """The error for a refused upgrade by ``place`` (``host:port``).

    ``token`` is the secret that was sent: a server that echoes it does not get it into a log.
    """
    headers = {name.lower(): value for name, value in refusal.headers.items()}
    code, said, logid = _envelope(refusal.body)
    logid = one_line(_redacted(headers.get("x-tt-logid") or logid, token))
    status = refusal.status
    if status == 0 and not refusal.body:
        return DialError(f"{place} closed the connection without an answer", code="closed")
    if status < 300 and not code:
        answer = {0: "something that is no HTTP", 101: "a malformed upgrade"}.get(
            status, f"a page (HTTP {status})"
        )
        return DialError(
            f"{place} does not speak the voice-chat protocol: it answered with {answer}",
            remedy=_SIGN_IN if status else "Check the service address and its port.",
            code="not-websocket",
            logid=logid,
        )
    if status < 400 and not code:
        return DialError(
            f"{place} sent us elsewhere (HTTP {status}), which the platform never does",
            remedy=_SIGN_IN,
            code=f"http-{status}",
            logid=logid,
        )
    if status == 404 and not code:
        # Without the platform's envelope this may be any server, or a gateway on a bad day.
        return DialError(
            f"{place} has no voice chat at this address (HTTP 404)",
            remedy="Check the service address.",
            code="http-404",
            logid=logid,
        )
    verdict = classify(code, status, said)
    error = error_for(verdict, _redacted(said, token), logid)
    if not isinstance(error, ServiceUnreachable):
        return error
    return DialError(
        error.message,
        remedy=error.remedy,
        code=error.code,
        logid=logid,
        retry_after=_retry_after(headers) or verdict.retry_after_s or None,
    )


def _envelope(body: bytes) -> tuple[int, str, str]:
    """``code``, ``msg`` and ``detail.logid`` of the platform's envelope; 0 or "" when absent."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return 0, "", ""
    if not isinstance(data, dict):
        return 0, "", ""
    code, said, detail = data.get("code"), data.get("msg"), data.get("detail")
    logid = detail.get("logid") if isinstance(detail, dict) else None
    number = re.fullmatch(r"[1-9][0-9]{0,18}", str(code))
    return (
        int(number[0]) if number else 0,
        said if isinstance(said, str) else "",
        logid if isinstance(logid, str) else "",
    )


def _redacted(text: str, token: str) -> str:
    return text.replace(token, "[token]") if token else text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``Retry-After``; a date counts from the server's own ``Date``, because the
    clock of a device may be anywhere.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
            seconds = (then - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
