"""What all connections of one emulator share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.emulator.brain.answer import Answer, ToolRequest
from agent.emulator.conversations import Conversations
from agent.emulator.ids import Ids
from agent.emulator.script import Prompter, Script
from agent.emulator.tokens import TokenPolicy
from agent.emulator.worker import Worker

Samples = NDArray[np.int16]


class Brain(Protocol):
    """What hears, thinks and speaks. ``hear`` and ``speak`` block and run in the worker."""

    def hear(self, samples: Samples, rate: int) -> str: ...

    def answer(self, text: str, memory: dict[str, Any]) -> Answer: ...

    def after_tool(self, request: ToolRequest, output: str, memory: dict[str, Any]) -> Answer: ...

    def speak(self, sentence: str) -> tuple[Samples, int]: ...

    def sentences(self, text: str) -> list[str]: ...

    def warm_up(self) -> None: ...


@dataclass(slots=True)
class Service:
    """The platform behind the sockets. ``connections`` counts the open ones."""

    brain: Brain
    script: Script
    seed: int = 0
    ids: Ids = field(init=False)
    worker: Worker = field(default_factory=Worker)
    tokens: TokenPolicy = field(init=False)
    conversations: Conversations = field(init=False)
    prompter: Prompter = field(init=False)
    connections: int = 0

    def __post_init__(self) -> None:
        self.ids = Ids(self.seed)
        self.tokens = self.script.tokens.policy()
        self.conversations = Conversations(self.ids)
        self.prompter = Prompter(self.script.answer)

    async def delay(self, ms: float) -> None:
        """Wait as long as the platform would, divided by the script's speed."""
        await asyncio.sleep(self.seconds(ms))

    def seconds(self, ms: float) -> float:
        """``ms`` of the platform's time in seconds of ours."""
        return ms / 1000 / self.script.timing.speed


async def sleep_until(due: float) -> None:
    """Sleep until ``due`` on the loop's clock; at least let others run."""
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
