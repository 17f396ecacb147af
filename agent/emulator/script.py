"""The script file: fixed answers, timing, switches. Strict: a wrong key is an error with a hint."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from agent.emulator.accounts import ScriptedAccount, ScriptedWorkspace
from agent.emulator.apps import ScriptedApp
from agent.emulator.fault import SOCKETS, Fault, check_fault
from agent.emulator.issued import ScriptedToken
from agent.emulator.jitter import Network, check_network
from agent.emulator.limits import Limits
from agent.emulator.oauth import OAuthSettings
from agent.emulator.plan import LEVELS, LICENCES, CallbackPolicy, Plan
from agent.emulator.tokens import TokenPolicy
from agent.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the platform takes, in ms, as recorded in July 2025; ``speed`` divides them all.

    Pacing by ``limit_config`` is a promise to the client and is not divided.
    """

    speed: float = 1.0
    # Last audio in hand to each interim transcript, and to the final one.
    update_ms: float = 120.0
    transcript_ms: float = 300.0
    # Final transcript or typed message to the turn's first event.
    question_ms: float = 10.0
    # In progress to the first text, and from one burst of text to the next.
    first_text_ms: float = 400.0
    text_ms: float = 105.0
    # Text of a sentence out to its start, its start to its first audio.
    sentence_ms: float = 50.0
    first_audio_ms: float = 180.0
    # How many times faster than real time speech is made.
    delivery: float = 6.0
    # Answer completed to the verbose message, last audio to its completion.
    verbose_ms: float = 57.0
    completed_ms: float = 10.0
    # Speech socket: end of the text to its confirmation, that to the first sentence.
    buffer_ms: float = 110.0
    announce_ms: float = 30.0
    # Transcription socket: end of the audio to the transcript, that to its completion; and how
    # much audio comes before the words so far are told.
    recognition_ms: float = 695.0
    recognised_ms: float = 40.0
    interim_ms: float = 1000.0


@dataclass(frozen=True, slots=True)
class Switches:
    """What no source tells for sure, each with the emulator's default (see docs/emulator.md)."""

    ack_ids: str = "fresh"
    accept_opus_format: bool = False
    default_silence_ms: int = 500
    unknown_fields: str = "ignore"
    noisy_cancel: bool = False
    late_deltas: int = 0
    cancel_when_idle: str = "canceled"
    generate_audio_cancels: bool = False
    empty_complete: str = "completed"
    nothing_recognised: str = "empty"
    keyword_speech_started: bool = True
    vad_detail: bool = True
    vad: str = "webrtc"
    bad_bot: str = "http"
    # Not among CHOICES: tokens have a key of that name, for any text.
    device_id: Literal["any", "digits"] = "any"
    idle_close_s: float = 0.0
    idle_close_code: int = 1000
    subscriptions: str = "filter"
    tail_ms: int = 300
    pad_last_frame: bool = True
    unknown_conversation: str = "error"
    most_refusals: int = 50
    quota_form: str = "error"
    quota_code: int = 4011
    quota_mid_turn: str = "failed"
    unreported_entity: str = "wait"
    limitation_reply: str = "wrapped"
    limitation_update: str = "none"
    bill_reply: str = "table"
    user_configs: str = "replace"
    missing_ids: str = "accept"
    workflow_id: str = "accept"
    longest_session_s: float = 0.0
    token_expiry: str = "keep"
    before_update: str = "wav"
    client_vad: str = "accept"
    user_language: str = "both"
    starred_fields: str = "accept"
    spoken_order: str = "question_first"
    vad_buffer_events: str = "ignore"
    transcription_content: bool = False
    speech_sentence_start: bool = True
    one_way_codecs: str = "documented"
    input_change: str = "accept"
    pcm_pieces: str = "irregular"
    prologue_events: str = "audio"


CHOICES: dict[str, tuple[str, ...]] = {
    "ack_ids": ("fresh", "echo"),
    "unknown_fields": ("ignore", "refuse"),
    "cancel_when_idle": ("canceled", "nothing", "error"),
    "empty_complete": ("completed", "error"),
    "nothing_recognised": ("empty", "nothing"),
    "vad": ("webrtc", "energy"),
    "bad_bot": ("http", "event"),
    "subscriptions": ("filter", "ignore", "strict"),
    "unknown_conversation": ("error", "create"),
    "audio": ("speech", "tone"),
    "quota_form": ("error", "failed", "upgrade"),
    "quota_mid_turn": ("failed", "error", "finish"),
    "unreported_entity": ("wait", "refuse"),
    "limitation_reply": ("wrapped", "flat"),
    "limitation_update": ("none", "info"),
    "bill_reply": ("table", "sample"),
    "user_configs": ("replace", "add"),
    "level": LEVELS,
    "voice_licence": LICENCES,
    "reach": ("loopback", "private", "any"),
    "missing_ids": ("accept", "refuse"),
    "workflow_id": ("accept", "refuse"),
    "token_expiry": ("keep", "close"),
    "turn": ("any",),
    "connection": ("every",),
    "socket": SOCKETS,
    "before_update": ("wav", "refuse", "ignore"),
    "client_vad": ("accept", "refuse"),
    "user_language": ("both", "short", "region"),
    "starred_fields": ("accept", "ignore", "refuse"),
    "spoken_order": ("question_first", "chat_first"),
    "vad_buffer_events": ("ignore", "acknowledge", "error"),
    "one_way_codecs": ("documented", "all"),
    "input_change": ("accept", "refuse"),
    "pcm_pieces": ("irregular", "regular"),
    "prologue_events": ("audio", "chat"),
}
"""The words that a key of that name may have."""

_AT_MOST = {
    "late_deltas": 5,
    "idle_close_code": 4999,
    "tail_ms": 5000,
    "speed": 1000.0,
    "probability": 1.0,
    "frames": 1_000_000,
    "bytes": 64 << 20,
    "s": 3600.0,
}
_ABOVE_ZERO = (
    "speed",
    "delivery",
    "nth",
    "most_refusals",
    "quota_code",
    "attempts",
    "turn",
    "connection",
)


@dataclass(frozen=True, slots=True)
class Bot:
    """The bot on the other side. ``id`` counts where a client names none."""

    id: str = "7400000000000000001"
    prologue: str = "Hello, how can I help you?"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Who may come in, in the words of the script; see ``TokenPolicy``."""

    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    accounts: dict[str, str] = field(default_factory=dict)
    refused_prefix: str = "bad"
    unknown_bot_prefix: str = "unknown"
    unpublished_bot_prefix: str = "unpublished"
    only_issued: bool = False

    def policy(self) -> TokenPolicy:
        """The policy these words mean."""
        return TokenPolicy(
            frozenset(self.accepted),
            frozenset(self.refused),
            frozenset(self.forbidden),
            self.accounts,
            self.refused_prefix,
            self.unknown_bot_prefix,
            self.unpublished_bot_prefix,
            self.only_issued,
        )


@dataclass(frozen=True, slots=True)
class Tool:
    """A call that an answer asks the client to carry out."""

    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """How a turn fails: the platform's code and words."""

    code: int = 5000
    msg: str = "internal error"


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """One ``[[answer]]``. ``when`` is searched in the question, regardless of case; ``*`` is any.

    With ``nth`` it counts only for the nth question that fits, since the emulator started.
    ``text`` is said; with ``tools`` it is said before the call, and ``then`` after it.
    """

    when: str = "*"
    nth: int = 0
    text: str = ""
    think_ms: float = 0.0
    tools: list[Tool] = field(default_factory=list)
    then: str = ""
    fail: Failure | None = None
    silent: bool = False
    audio: str = "speech"

    def fits(self, question: str) -> bool:
        """Whether the question is one of those meant."""
        return self.when == "*" or re.search(self.when, question, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script file; without one, all defaults and the brain answers."""

    answer: list[ScriptedAnswer] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)
    switches: Switches = field(default_factory=Switches)
    tokens: Tokens = field(default_factory=Tokens)
    token: list[ScriptedToken] = field(default_factory=list)
    app: list[ScriptedApp] = field(default_factory=list)
    account: list[ScriptedAccount] = field(default_factory=list)
    workspace: list[ScriptedWorkspace] = field(default_factory=list)
    oauth: OAuthSettings = field(default_factory=OAuthSettings)
    limits: Limits = field(default_factory=Limits)
    bot: Bot = field(default_factory=Bot)
    plan: Plan = field(default_factory=Plan)
    callbacks: CallbackPolicy = field(default_factory=CallbackPolicy)
    fault: list[Fault] = field(default_factory=list)
    network: Network = field(default_factory=Network)


class Prompter:
    """Finds the scripted answer to a question, and counts for ``nth``."""

    def __init__(self, answers: list[ScriptedAnswer]) -> None:
        self._answers = answers
        self._fitted = [0] * len(answers)

    def find(self, question: str) -> ScriptedAnswer | None:
        """The first answer in the script that fits. Every fit counts, chosen or not."""
        found = None
        for at, answer in enumerate(self._answers):
            if not answer.fits(question):
                continue
            self._fitted[at] += 1
            if found is None and answer.nth in (0, self._fitted[at]):
                found = answer
        return found


def load_script(path: Path) -> Script:
    """Read a script. Raises ``ConfigError`` naming the file, the key and the nearest right one."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the script {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the script {path} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the script {path} is not valid TOML: {error}") from error
    script = parse_script(data, str(path))
    for at, answer in enumerate(script.answer):
        _check_answer(answer, f"{path}: answer[{at}]")
    # Files are named relative to the script, wherever the emulator was started.
    return replace(
        script,
        app=[app.beside(path) for app in script.app],
        network=script.network.beside(path),
    )


def parse_script(data: dict[str, Any], source: str) -> Script:
    """A script from decoded TOML; ``source`` is named in errors."""
    script = _build(Script, data, f"{source}: ")
    for at, fault in enumerate(script.fault):
        check_fault(fault, frozenset(data["fault"][at]), f"{source}: fault[{at}]")
    check_network(script.network, f"{source}: network")
    return script


def _check_answer(answer: ScriptedAnswer, where: str) -> None:
    if not (answer.text or answer.tools or answer.fail or answer.silent):
        raise ConfigError(f"{where} says nothing, give it text, tools, fail or silent")
    if answer.then and not answer.tools:
        raise ConfigError(f"{where}.then is said after tools, but there are none")
    if any(not tool.name for tool in answer.tools):
        raise ConfigError(f"{where}.tools: every tool needs a name")
    try:
        re.compile(answer.when if answer.when != "*" else "")
    except re.error as error:
        raise ConfigError(f"{where}.when is no regular expression: {error}") from error


def _build(kind: type[T], data: Any, where: str) -> T:
    if not isinstance(data, dict):
        raise ConfigError(f"{where.rstrip('.')} must be a table")
    hints = get_type_hints(kind)
    names = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    values = {}
    for name, value in data.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(names)}"
            raise ConfigError(f"{where}{name} is not a known key", remedy=hint)
        values[name] = _value(hints[name], name, value, f"{where}{name}")
    return kind(**values)


def _value(kind: Any, name: str, value: Any, where: str) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ConfigError(f"{where} must be one of {', '.join(get_args(kind))}, not {value!r}")
        return value
    if get_origin(kind) is list:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list")
        inner = get_args(kind)[0]
        return [_value(inner, "", item, f"{where}[{at}]") for at, item in enumerate(value)]
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a table")
        inner = get_args(kind)[1]
        if inner is Any:
            return value
        return {key: _value(inner, "", item, f"{where}.{key}") for key, item in value.items()}
    kinds = [item for item in get_args(kind) if item is not type(None)] or [kind]
    if hasattr(kinds[0], "__dataclass_fields__"):
        return _build(kinds[0], value, f"{where}.")
    # Of a number or a word, the one that was written.
    wanted = next((item for item in kinds if isinstance(value, item)), kinds[0])
    return _scalar(wanted, name, value, where)


def _scalar(kind: type, name: str, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        word = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{where} must be {word}")
    if isinstance(value, str) and name in CHOICES and value not in CHOICES[name]:
        raise ConfigError(f"{where} must be one of {', '.join(CHOICES[name])}, not {value!r}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Written so that NaN is refused too.
        if not value >= 0 or (name in _ABOVE_ZERO and value == 0):
            raise ConfigError(f"{where} must be above zero" if value == 0 else f"{where} is wrong")
        if value > _AT_MOST.get(name, float("inf")):
            raise ConfigError(f"{where} must be at most {_AT_MOST[name]:g}")
    return value
