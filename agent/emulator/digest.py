"""What people read of a frame: one line of it, and the whole without secrets.

Frames come from strangers: anything may stand in them, and nothing here raises.
"""

from __future__ import annotations

import json
import re
from typing import Any

from agent.emulator.watched import Entry

HIDDEN = "•••"

_LONGEST_SUMMARY = 160
_SECRET = re.compile(
    r"token|secret|passw|passphrase|authorization|api_?key|private|credential|cookie|signature",
    re.IGNORECASE,
)
# Tokens of the platform, bearers, JSON Web Tokens, keys: wherever they stand.
_TOKENS = re.compile(
    r"\b(?:pat|sat|czs|czu|czr)_[\w-]{4,}|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*|(?<=[Bb]earer )[^\s\"\\]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
# Where a frame is no JSON, or JSON inside of a text: "access_token": "...".
_PAIRS = re.compile(
    r"(\\*[\"']?[\w-]*(?:" + _SECRET.pattern + r")[\w-]*\\*[\"']?\s*[:=]\s*\\*[\"']?)"
    r"([^\s\"'\\,;&}]+)",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}")


def summary(entry: Entry) -> str:
    """One line about an entry; made once, kept in it."""
    if not entry.summary and entry.frame:
        told = scrub(_tell(entry))
        cut = len(told) > _LONGEST_SUMMARY
        entry.summary = told[: _LONGEST_SUMMARY - 2] + " …" if cut else told
    return entry.summary


def detail(entry: Entry) -> str:
    """The frame as indented JSON, or as it came where it is none; secrets hidden."""
    text = _text(entry.frame)
    whole = len(entry.frame) == entry.length
    try:
        shown = json.dumps(redact(json.loads(text)), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        shown = scrub(text)
    return shown if whole else f"{shown}\n… the first {len(text)} of {entry.length} characters"


def redact(value: Any) -> Any:
    """JSON without secrets: values of telling keys, and whatever looks like a token."""
    if isinstance(value, dict):
        return {
            scrub(key): HIDDEN if item and _hides(key, item) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact(item) for item in value]
    return scrub(value) if isinstance(value, str) else value


def scrub(text: str) -> str:
    """A text without anything that looks like a token or a secret; long base64 is only counted."""
    text = _TOKENS.sub(HIDDEN, text)
    text = _PAIRS.sub(rf"\1{HIDDEN}", text)
    return _BASE64.sub(lambda found: f"‹{len(found[0])} characters of base64›", text)


def _hides(key: str, value: Any) -> bool:
    # Counts of tokens are numbers, and no secret.
    return isinstance(value, str | list | dict) and _SECRET.search(key) is not None


def _text(frame: str | bytes) -> str:
    return frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame


def _tell(entry: Entry) -> str:
    text = _text(entry.frame)
    try:
        frame = json.loads(text)
        data = frame.get("data")
    except (ValueError, RecursionError, AttributeError):
        return " ".join(text[:_LONGEST_SUMMARY].split())
    told = _of_data(data) if isinstance(data, dict) else ""
    # The state of a chat is mostly the name of the event again.
    return "" if entry.event_type.endswith(f".{told}") else told


def _of_data(data: dict[str, Any]) -> str:
    """The most telling field; ids and times say nothing to people."""
    error = data.get("last_error")
    if isinstance(error, dict) and error.get("code"):
        return f"{error['code']} {error.get('msg', '')}"
    if data.get("code") is not None:
        return f"{data['code']} {data.get('msg', '')}"
    calls = _calls(data)
    if calls:
        return calls
    for key in ("content", "text", "delta"):
        if isinstance(data.get(key), str) and data[key]:
            kind = data.get("type")
            if kind == "verbose":
                return f"verbose: {_verbose(data[key])}"
            said = " ".join(data[key][: 2 * _LONGEST_SUMMARY].split())
            return f"{kind}: {said}" if isinstance(kind, str) and kind != "answer" else said
    usage = data.get("usage")
    if isinstance(usage, dict) and usage.get("token_count"):
        return f"{usage['token_count']} tokens"
    if "status" in data:
        return str(data["status"])
    outputs = data.get("tool_outputs")
    if isinstance(outputs, list):
        return f"{len(outputs)} tool output{'s' if len(outputs) != 1 else ''}"
    if "id" in data or "message_id" in data:
        return ""
    formats = _formats(data)
    if formats:
        return formats
    return ", ".join(str(key) for key in data)


def _formats(data: dict[str, Any]) -> str:
    """What a configuration says about sound and turns."""
    told = []
    for key, name in (("input_audio", "in"), ("output_audio", "out")):
        audio = data.get(key)
        if isinstance(audio, dict):
            words = (audio.get("format"), audio.get("codec"), audio.get("sample_rate"))
            told.append(" ".join([name, *dict.fromkeys(str(word) for word in words if word)]))
    turns = data.get("turn_detection")
    if isinstance(turns, dict) and turns.get("type"):
        told.append(str(turns["type"]))
    return ", ".join(told)


def _verbose(content: str) -> str:
    """What a message for programs is about."""
    found = re.search(r'"msg_type":\s*"(\w+)"', content)
    return found[1] if found else ""


def _calls(data: dict[str, Any]) -> str:
    try:
        calls = data["required_action"]["submit_tool_outputs"]["tool_calls"]
        return ", ".join(call["function"]["name"] for call in calls)
    except (KeyError, TypeError):
        return ""
