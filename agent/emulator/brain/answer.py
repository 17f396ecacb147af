"""What the mind hands back: a text to say, or a tool to call first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Memory = dict[str, Any]
"""What one conversation remembers between turns; starts as ``{}`` and belongs to the caller."""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A call the device shall carry out: ``set_volume`` or ``get_device_info``.

    ``set_volume`` takes ``{"percent": 0..100}`` or ``{"delta": -100..100}`` in percentage points;
    a delta of 0 asks for the present value.
    """

    name: str
    arguments: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` is empty when ``tool`` is set: the words come once the tool has answered."""

    text: str
    tool: ToolRequest | None = None
