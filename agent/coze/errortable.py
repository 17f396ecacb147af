"""The platform's error codes as data, and the few rules for what the table cannot say.

A code leads to a ``Verdict``: what class of trouble it is, one sentence for a person, what to do,
and for how long it is pointless to try again.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.errors import ConfigError, NotPermitted, ServiceUnreachable, TalkboxError


class Kind(StrEnum):
    """What a refusal asks of the client."""

    AUTH = "auth"  # a fresh token may heal it, once
    AUTH_FATAL = "auth_fatal"  # no token of this login will do
    CONFIG = "config"  # a person must change the configuration
    QUOTA = "quota"  # used up until the next reset
    BALANCE = "balance"  # the account must be paid or filled
    RATE = "rate"  # too many requests a minute
    TRANSIENT = "transient"  # back off and try again
    CONFLICT = "conflict"  # something else runs in this conversation
    INPUT = "input"  # this one request was wrong
    TURN = "turn"  # this one turn has no answer
    IDLE = "idle"  # closed because nobody spoke


BLOCKING = frozenset({Kind.QUOTA, Kind.BALANCE, Kind.RATE})
"""Classes that mean "not allowed now": stop the uplink, tell the person, retry after a while."""

FATAL = BLOCKING | {Kind.AUTH, Kind.AUTH_FATAL, Kind.CONFIG}
"""Classes after which the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``retry_after_s`` is how long the platform is not to be asked again (0: back-off decides);
    ``until`` turns it into a time."""

    code: int
    kind: Kind
    message: str
    remedy: str = ""
    retry_after_s: float = 0.0

    def until(self, now: float) -> float:
        """Monotonic seconds before which another attempt is pointless."""
        return now + self.retry_after_s


# The platform's day ends at a local midnight that a device cannot know, and an account may be
# paid at any time: look again every hour.
_HOUR = 3600.0
# Rate limits are counted per minute.
_MINUTE = 60.0

_LOGIN = "Give a valid one in TALKBOX_TOKEN"
_ACCOUNT = "Settle or top up the account in the Coze console"
_BOT = "Set coze.bot_id to a bot that this login may use"
_WAIT = "It is tried again on its own"
_REPORT = "Report it with the logid if it stays"

TABLE: dict[int, Verdict] = {
    verdict.code: verdict
    for verdict in (
        Verdict(1109, Kind.INPUT, "The sample text does not match the recorded voice"),
        Verdict(3010, Kind.INPUT, "The text to be spoken is too long", "Use less than 1024 bytes"),
        Verdict(4000, Kind.INPUT, "The platform refused a request as invalid", _REPORT),
        Verdict(4001, Kind.INPUT, "The platform does not know this turn"),
        Verdict(4002, Kind.INPUT, "The conversation does not exist or is not ours"),
        Verdict(4003, Kind.INPUT, "The meta data of the conversation is invalid"),
        Verdict(4004, Kind.INPUT, "An additional message is invalid"),
        Verdict(4005, Kind.INPUT, "The message is invalid"),
        Verdict(4006, Kind.CONFIG, "The bot does not exist or this login may not use it", _BOT),
        Verdict(4007, Kind.INPUT, "The request needs history to be saved"),
        Verdict(
            4008, Kind.QUOTA, "Today's usage of the bot is used up", "Wait for the next day", _HOUR
        ),
        Verdict(4009, Kind.TRANSIENT, "The platform is busy", _WAIT),
        Verdict(4010, Kind.INPUT, "The conversation has grown too long", "Start a new one"),
        Verdict(4011, Kind.BALANCE, "The Coze account has too few tokens left", _ACCOUNT, _HOUR),
        Verdict(
            4012, Kind.CONFIG, "The bot's model is invalid", "Choose another model for the bot"
        ),
        Verdict(4013, Kind.TRANSIENT, "The model service failed", _WAIT),
        Verdict(4014, Kind.TURN, "The bot cannot answer this"),
        Verdict(
            4015,
            Kind.CONFIG,
            "The bot is not published to the API channel",
            "Publish it as API in the Coze console",
        ),
        Verdict(4016, Kind.CONFLICT, "The conversation is still busy with another turn"),
        Verdict(4019, Kind.BALANCE, "The pay-as-you-go account is in arrears", _ACCOUNT, _HOUR),
        Verdict(4020, Kind.RATE, "Too many requests a minute", _WAIT, _MINUTE),
        Verdict(4021, Kind.CONFIG, "The bot's workflow is not configured", "Configure it"),
        Verdict(4022, Kind.BALANCE, "The model service is in arrears", _ACCOUNT, _HOUR),
        Verdict(4027, Kind.BALANCE, "The account is in arrears", _ACCOUNT, _HOUR),
        Verdict(4028, Kind.BALANCE, "The free credits are used up", _ACCOUNT, _HOUR),
        Verdict(4029, Kind.IDLE, "The session was closed because nobody spoke"),
        Verdict(4100, Kind.AUTH, "The access token is invalid or has expired", _LOGIN),
        Verdict(
            4101,
            Kind.AUTH_FATAL,
            "The login lacks a permission",
            "Grant the token the permission chat (Bot conversation) in the Coze console",
        ),
        Verdict(4102, Kind.AUTH_FATAL, "The platform's risk control refuses this login", "", _HOUR),
        Verdict(4104, Kind.CONFLICT, "The turn cannot be cancelled in its state"),
        Verdict(4105, Kind.INPUT, "The platform refused the content as sensitive"),
        Verdict(4200, Kind.INPUT, "The platform did not find what was asked for"),
        Verdict(4201, Kind.INPUT, "What was to be created exists already"),
        Verdict(4300, Kind.INPUT, "The uploaded file is empty"),
        Verdict(4301, Kind.INPUT, "More than one file was uploaded at once"),
        Verdict(4302, Kind.INPUT, "The uploaded file is too big"),
        Verdict(4303, Kind.INPUT, "The type of the uploaded file is not accepted"),
        Verdict(4304, Kind.INPUT, "The uploaded file is broken"),
        Verdict(4314, Kind.INPUT, "The workflow run does not exist"),
        Verdict(4315, Kind.INPUT, "The workflow run has ended already"),
        Verdict(5000, Kind.TRANSIENT, "The platform has an internal error", _WAIT),
        Verdict(700012006, Kind.AUTH, "The access token is invalid or has expired", _LOGIN),
    )
}

_HTTP: dict[int, Verdict] = {
    400: Verdict(400, Kind.CONFIG, "The platform refused the connection as invalid", _BOT),
    401: TABLE[4100],
    402: TABLE[4011],
    403: TABLE[4101],
    404: Verdict(404, Kind.CONFIG, "There is no such service", "Check coze.api_base and ws_base"),
    408: Verdict(408, Kind.TRANSIENT, "The platform was too slow to answer", _WAIT),
    429: TABLE[4020],
}

# No documented code means "this device's quota is used up"; only the wording can tell.
_QUOTA_WORDING = re.compile(
    r"quota|balance|insufficient|exhaust|used up|credit|arrears|overdue|benefit|resource point"
    r"|usage limit|limit exceeded|余额|额度|配额|限额|欠费|用尽|用完|耗尽|资源点|积分|权益",
    re.IGNORECASE,
)
_NOT_ALLOWED = Verdict(
    0,
    Kind.QUOTA,
    "The platform does not allow use now",
    "Look at the quota of this device and the account in the Coze console",
    _HOUR,
)
_UNKNOWN = Verdict(0, Kind.TRANSIENT, "The platform reported an error", _REPORT)


def classify(
    code: int, http_status: int | None = None, text: str = "", *, turn_start: bool = False
) -> Verdict:
    """What ``code`` (0: none given), the HTTP status of a refused upgrade or call and the server's
    ``text`` mean.

    An unknown code of 4xxx or nine digits beginning with 7 right at the start of a turn counts as
    "not allowed now", as does any refusal of unknown code, and HTTP 402, 403 or 429, that speaks of
    quota or balance.
    """
    known = TABLE.get(code)
    if known is not None:
        return known
    quota_wording = bool(_QUOTA_WORDING.search(text))
    if http_status is not None and http_status >= 400:
        if quota_wording and http_status in (402, 403, 429):
            return replace(_NOT_ALLOWED, code=code or http_status)
        by_status = _HTTP.get(http_status)
        if by_status is not None:
            return by_status
        if http_status >= 500:
            return replace(TABLE[5000], code=code or http_status)
    client_fault = 4000 <= code <= 4999 or 700_000_000 <= code <= 799_999_999
    if client_fault and (turn_start or quota_wording):
        return replace(_NOT_ALLOWED, code=code)
    return replace(_UNKNOWN, code=code or http_status or 0)


def error_for(verdict: Verdict, text: str = "", logid: str = "") -> TalkboxError:
    """The exception that tells a person; ``text`` is the server's own wording.

    ``NotPermitted`` for login, quota and account, ``ConfigError`` for configuration, else
    ``ServiceUnreachable``. Its ``code`` is the platform's number as text.
    """
    kind = verdict.kind
    cls: type[TalkboxError] = ServiceUnreachable
    if kind in (Kind.AUTH, Kind.AUTH_FATAL, Kind.QUOTA, Kind.BALANCE):
        cls = NotPermitted
    elif kind is Kind.CONFIG:
        cls = ConfigError
    said = one_line(text)
    message = f"{verdict.message} (code {verdict.code}{': ' if said else ''}{said})"
    return cls(message, remedy=verdict.remedy, code=str(verdict.code), logid=logid)


def needs_fresh_token(error: TalkboxError) -> bool:
    """Whether a new access token, fetched once, may heal ``error``."""
    if not error.code.isdigit():
        return False
    known = TABLE.get(int(error.code))
    return known is not None and known.kind is Kind.AUTH


def one_line(text: str, limit: int = 200) -> str:
    """The server's wording made safe for a log line: no control characters, bounded length."""
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 2 * limit])
    return " ".join(printable.split())[:limit]
