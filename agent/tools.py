"""Tools the platform may run on the device: a closed list, no shell, no paths, no network.

A call never raises: whatever goes wrong becomes a JSON text with an ``error`` that the platform's
model can read out or act upon.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.dialog.events import ToolCall, ToolOutput

MAX_ARGUMENTS = 4096
"""Characters of arguments that are looked at; the tools here need a few dozen."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class ArgumentsError(ValueError):
    """The arguments do not fit the tool; the message goes to the platform's model."""


@dataclass(frozen=True, slots=True)
class Integer:
    """One whole-number argument with its inclusive bounds."""

    minimum: int
    maximum: int

    def read(self, name: str, value: object) -> int:
        # A model may well write 40.0 or "40"; true is never a number.
        if isinstance(value, str):
            try:
                value = float(value.strip().removesuffix("%"))
            except ValueError:
                raise ArgumentsError(f"{name} must be a whole number, not {value!r:.40}") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
            raise ArgumentsError(f"{name} must be a whole number")
        number = int(value)
        if not self.minimum <= number <= self.maximum:
            raise ArgumentsError(f"{name} must be between {self.minimum} and {self.maximum}")
        return number


@dataclass(frozen=True, slots=True)
class Tool:
    """One local tool: its arguments by name, how many of them it needs, and what it does."""

    name: str
    description: str
    arguments: Mapping[str, Integer]
    needed: int
    run: Callable[[dict[str, int]], dict[str, Any]]

    def check(self, arguments: dict[str, object]) -> dict[str, int]:
        """The arguments as typed values. Raises ``ArgumentsError``."""
        unknown = sorted(set(arguments) - set(self.arguments))
        if unknown:
            raise ArgumentsError(
                f"{self.name} does not take {unknown[0]!r:.40};"
                f" it takes {', '.join(self.arguments) or 'nothing'}"
            )
        given = {name: value for name, value in arguments.items() if value is not None}
        if len(given) != self.needed:
            raise ArgumentsError(
                f"{self.name} takes exactly {self.needed} of {', '.join(self.arguments)}"
                if self.arguments
                else f"{self.name} takes no arguments"
            )
        return {name: self.arguments[name].read(name, value) for name, value in given.items()}


class ToolBox:
    """The tools of this device: ``get_time``, ``set_volume``, ``get_device_info``.

    ``get_volume`` and ``set_volume`` are in percent, 0 to 100. ``device_info`` returns what may be
    told about the device (JSON values only); ``clock`` the local time, with its zone where known.
    """

    def __init__(
        self,
        *,
        get_volume: Callable[[], int],
        set_volume: Callable[[int], None],
        device_info: Callable[[], dict[str, Any]],
        clock: Callable[[], datetime],
    ) -> None:
        self._get = get_volume
        self._set = set_volume
        self._device_info = device_info
        self._clock = clock
        percent = Integer(0, 100)
        tools = (
            Tool("get_time", "the local date and time", {}, 0, self._get_time),
            Tool(
                "set_volume",
                "set the volume in percent, or change it by delta",
                {"percent": percent, "volume": percent, "delta": Integer(-100, 100)},
                1,
                self._set_volume,
            ),
            Tool("get_device_info", "what this device is", {}, 0, self._get_device_info),
        )
        self._tools = {tool.name: tool for tool in tools}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def run(self, call: ToolCall) -> ToolOutput:
        """Run one call; the output is JSON text, with an ``error`` where it failed."""
        return ToolOutput(call.id, json.dumps(self._result(call), ensure_ascii=False))

    def _result(self, call: ToolCall) -> dict[str, Any]:
        if call.kind != "function":
            return {"error": f"this device cannot answer a {call.kind!r:.40} by itself"}
        tool = self._tools.get(call.name)
        if tool is None:
            return {
                "error": f"no tool is named {call.name!r:.60}",
                "known_tools": list(self._tools),
            }
        try:
            return tool.run(tool.check(_parse(call.arguments)))
        except ArgumentsError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the caller's parts may raise anything
            return {"error": f"{tool.name} failed: {error}"}

    def _get_time(self, _: dict[str, int]) -> dict[str, Any]:
        now = self._clock()
        return {
            "date": now.strftime("%Y-%m-%d"),
            "time": now.strftime("%H:%M:%S"),
            "weekday": WEEKDAYS[now.weekday()],
            "timezone": now.tzname() or "",
        }

    def _set_volume(self, arguments: dict[str, int]) -> dict[str, Any]:
        if "delta" in arguments:
            wanted = min(100, max(0, self._get() + arguments["delta"]))
        else:
            (wanted,) = arguments.values()
        self._set(wanted)
        return {"ok": True, "percent": wanted}

    def _get_device_info(self, _: dict[str, int]) -> dict[str, Any]:
        info = self._device_info()
        json.dumps(info)
        return info


def _parse(text: str) -> dict[str, object]:
    """The arguments as an object; nothing at all counts as none. Raises ``ArgumentsError``."""
    if len(text) > MAX_ARGUMENTS:
        raise ArgumentsError("the arguments are too long")
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ArgumentsError("the arguments are not valid JSON") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ArgumentsError("the arguments must be a JSON object")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
