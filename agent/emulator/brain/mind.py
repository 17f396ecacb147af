"""The mind: a text goes in, an answer or a tool call comes out.

Pure: the time of day and the randomness are handed in, the memory belongs to the caller. It knows
a handful of questions in English and Chinese and is honest about everything else.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from random import Random
from typing import Any

from . import chinese, english
from .answer import Answer, Memory, ToolRequest
from .talk import EXAMPLES

_UNHEARD = re.compile(r"^\[(\d+(?:\.\d)?) s of speech(, not understood)?\]$")
_SENTENCE_END = re.compile(
    r"(?<=[。\uff01\uff1f\uff1b])\s*|(?<=[.!?])\s+(?=[\"'“A-Z0-9\u4e00-\u9fff])|\n+"
)
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|No|vs|[A-Z])\.$")
_LONGEST_QUOTE = 160


def unheard(seconds: float, *, understood: bool = True) -> str:
    """The transcript of speech whose words are not known, for example ``"[2.1 s of speech]"``.

    ``understood=False`` says that a recogniser listened and could not make it out.
    """
    return f"[{seconds:.1f} s of speech{'' if understood else ', not understood'}]"


def answer(text: str, memory: Memory, now: datetime, rng: Random) -> Answer:
    """What to say, or which tool to call, after somebody said or typed ``text``."""
    found = _UNHEARD.match(text.strip())
    if found:
        reply = _to_unheard(float(found.group(1)), recogniser=bool(found.group(2)), memory=memory)
    elif chinese.is_chinese(text):
        memory["language"] = "zh"
        reply = chinese.answer(text, memory, now, rng)
    else:
        memory["language"] = "en"
        reply = english.answer(text, memory, now, rng)
    if reply.text:
        memory["said"] = reply.text
    return reply


def _to_unheard(seconds: float, *, recogniser: bool, memory: Memory) -> Answer:
    unit = "second" if seconds == 1 else "seconds"
    length = f"{seconds:.1f}".removesuffix(".0")
    first = not memory.get("told_deaf")
    memory["told_deaf"] = True
    if recogniser:
        return Answer(
            f"I heard you for {length} {unit}, but did not understand. Ask me {EXAMPLES}."
            if first
            else f"I heard you for {length} {unit}, but did not understand."
        )
    why = " No speech recogniser is installed, so I can only tell how long it was."
    return Answer(f"You spoke for {length} {unit}." + (why if first else ""))


def after_tool(request: ToolRequest, output: str, memory: Memory) -> Answer:
    """What to say once the device has carried out ``request`` and sent ``output``.

    ``output`` is JSON or plain text. An object with ``error`` (or ``ok: false``), and text without
    what was asked for, are told as failures.
    """
    in_chinese = memory.get("language") == "zh"
    value = _parsed(output)
    error = _error(value)
    if request.name == "set_volume":
        text = _volume_text(_percent(value), error, in_chinese=in_chinese)
    elif request.name == "get_device_info":
        text = _device_text(value, error, in_chinese=in_chinese)
    elif error:
        text = f"那没有成功：{error}。" if in_chinese else f"That did not work: {error}."
    else:
        text = "好了。" if in_chinese else "Done."
    memory["said"] = text
    return Answer(text)


def _parsed(output: str) -> Any:
    try:
        return json.loads(output)
    except (ValueError, RecursionError):
        return output.strip()


def _error(value: Any) -> str:
    """The reason for a failure in a tool's output, or "" for success."""
    if isinstance(value, dict):
        for key in ("error", "message", "msg"):
            failed = key == "error" or value.get("ok") is False or value.get("success") is False
            if failed and value.get(key):
                reason = value[key]
                if isinstance(reason, dict):
                    reason = reason.get("message", "unknown reason")
                return _quoted(str(reason))
        if value.get("ok") is False or value.get("success") is False:
            return "no reason given"
    elif isinstance(value, str):
        found = re.match(r"(?:error|failed|failure)\b[\s:]*(.*)", value, re.IGNORECASE | re.DOTALL)
        if found:
            return _quoted(found.group(1) or value)
    return ""


def _quoted(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_QUOTE].rstrip(" .!")


def _percent(value: Any) -> int | None:
    if isinstance(value, dict):
        for key in ("percent", "volume", "level", "value"):
            if key in value:
                return _percent(value[key])
        return None
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return round(value) if 0 <= value <= 100 else None
    found = re.search(r"(?<!\d)(\d{1,3})(?!\d)", value) if isinstance(value, str) else None
    return int(found.group(1)) if found and int(found.group(1)) <= 100 else None


def _volume_text(percent: int | None, error: str, *, in_chinese: bool) -> str:
    if error:
        return f"音量没有调成：{error}。" if in_chinese else f"I could not set the volume: {error}."
    if percent is None:
        return "音量调好了。" if in_chinese else "The volume is set."
    return f"音量现在是百分之{percent}。" if in_chinese else f"The volume is now {percent} percent."


def _device_text(value: Any, error: str, *, in_chinese: bool) -> str:
    facts = value if isinstance(value, dict) and not error else {}
    said = [
        f"{key.replace('_', ' ')} {_quoted(str(entry))}"
        for key, entry in facts.items()
        if isinstance(entry, str | int | float) and not isinstance(entry, bool) and str(entry)
    ][:3]
    if not said and isinstance(value, str) and value and not error:
        said = [_quoted(value)]
    if in_chinese:
        about = f"设备说：{'，'.join(said)}。" if said else "设备没有介绍自己。"
        return f"我是 talkbox 模拟器。{about}"
    about = f"The device says: {', '.join(said)}." if said else "The device did not say more."
    return f"I am the talkbox emulator. {about}"


def sentences(text: str) -> list[str]:
    """``text`` cut into what one speaks in one breath, without empty pieces.

    Every piece is a part of ``text`` as it stands. "3.5" and "Dr. Smith" are not cut.
    """
    pieces: list[str] = []
    start = 0
    for cut in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text, start, cut.start()):
            pieces.append(text[start : cut.start()])
            start = cut.end()
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]
