"""What can go wrong outside of sound, split by one question: does retrying heal it?

``TalkboxError``
    ``Transient``: trying again later may heal it.
        ``ServiceUnreachable`` (exit 69), ``AudioUnavailable`` (exit 74).
    ``Permanent``: it stays until a person changes something.
        ``UsageError`` (exit 2), ``ConfigError`` (exit 78), ``NotPermitted`` (exit 77).

Exit codes follow sysexits.h; 70 is left to bugs.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
EXIT_BUG = 70
EXIT_AUDIO = 74
EXIT_NOPERM = 77
EXIT_CONFIG = 78


class TalkboxError(Exception):
    """One sentence for a person, with the remedy and the platform's own code where there is one.

    ``message`` says what is wrong and where; ``remedy`` what to type or do; ``code`` is a short
    stable word or the platform's number as text; ``logid`` the platform's handle for support.
    """

    exit_code = EXIT_BUG

    def __init__(self, message: str, *, remedy: str = "", code: str = "", logid: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code
        self.logid = logid

    def __str__(self) -> str:
        text = self.message
        if self.remedy:
            text = f"{text.rstrip('.')}. {self.remedy}"
        if self.logid:
            text = f"{text} (logid {self.logid})"
        return text


class Transient(TalkboxError):
    """Trying again later may heal it."""

    exit_code = EXIT_UNAVAILABLE


class Permanent(TalkboxError):
    """Trying again does not heal it."""


class ServiceUnreachable(Transient):
    """The platform cannot be reached, or does not answer as it should."""

    exit_code = EXIT_UNAVAILABLE


class AudioUnavailable(Transient):
    """No microphone or no speaker can be used now."""

    exit_code = EXIT_AUDIO


class UsageError(Permanent):
    """The command line is wrong."""

    exit_code = EXIT_USAGE


class ConfigError(Permanent):
    """The configuration or a profile is wrong."""

    exit_code = EXIT_CONFIG


class NotPermitted(Permanent):
    """Login, permission, quota or account forbids it."""

    exit_code = EXIT_NOPERM
