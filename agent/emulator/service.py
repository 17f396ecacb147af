"""What all connections of one emulator share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.emulator.access import Access
from agent.emulator.accounts import Accounts
from agent.emulator.bots import API, Bot, Bots
from agent.emulator.brain.answer import Answer, ToolRequest
from agent.emulator.callbacks import Callbacks
from agent.emulator.connectors import Connectors
from agent.emulator.conversations import Conversations
from agent.emulator.desk import Desk
from agent.emulator.faults import Faults
from agent.emulator.feed import Feed
from agent.emulator.files import Files
from agent.emulator.ids import Ids
from agent.emulator.issued import Tokens
from agent.emulator.limits import Limiter
from agent.emulator.meter import Meter
from agent.emulator.publishing import Publishing
from agent.emulator.script import Prompter, Script
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from agent.emulator.tokens import TokenPolicy
from agent.emulator.voiceprints import Voiceprints
from agent.emulator.voices import Voices
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
    """The platform behind the sockets. ``connections`` counts the open ones, ``closers`` are called
    when it stops.

    ``state`` is the file in which it remembers, None keeps all in memory. ``now`` is the Unix time
    in seconds by which tokens, quotas and files live and die; tests may replace it.
    Raises ``ConfigError`` for a state file that cannot be used.
    """

    brain: Brain
    script: Script
    seed: int = 0
    state: Path | None = None
    now: Callable[[], float] = time.time
    store: Store = field(init=False)
    feed: Feed = field(default_factory=Feed)
    accounts: Accounts = field(init=False)
    issued: Tokens = field(init=False)
    access: Access = field(init=False)
    desk: Desk = field(init=False)
    limiter: Limiter = field(init=False)
    ids: Ids = field(init=False)
    worker: Worker = field(default_factory=Worker)
    tokens: TokenPolicy = field(init=False)
    conversations: Conversations = field(init=False)
    meter: Meter = field(init=False)
    faults: Faults = field(init=False)
    callbacks: Callbacks = field(init=False)
    connectors: Connectors = field(init=False)
    publishing: Publishing = field(init=False)
    bots: Bots = field(init=False)
    files: Files = field(init=False)
    voices: Voices = field(init=False)
    voiceprints: Voiceprints = field(init=False)
    prompter: Prompter = field(init=False)
    connections: int = 0
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A state file outlives many runs, and the ids of one must not come again in the next.
        self.ids = Ids(self.seed if self.state is None else self.seed ^ time.time_ns())
        self.store = Store(self.state, TABLES)
        self.tokens = self.script.tokens.policy()
        self.accounts = Accounts(self.store)
        self.issued = Tokens(self.store)
        self.accounts.declare(self.script.account, self.script.workspace)
        self.issued.declare(self.script.token, self.now())

        # Not self.now itself: who replaces the clock later means all of us.
        def now() -> float:
            return self.now()

        self.access = Access(self.tokens, self.issued, now)
        self.desk = Desk(self.script.app, self.script.oauth, self.store, self.issued, now)
        self.limiter = Limiter(self.script.limits, now)
        self.conversations = Conversations(self.ids, self.store, lambda: self.now())
        self.bots = Bots(self.store, self.tokens, self._default_bot(), lambda: self.now())
        self.meter = Meter(
            self.store,
            self.accounts,
            self.script.plan,
            lambda: self.now(),
            self.script.switches.quota_code,
        )
        self.callbacks = Callbacks(self.store, self.script.callbacks, now, self.seconds)
        self.meter.listeners.append(self.callbacks.usage)
        self.closers.append(self.callbacks.stop)
        self.connectors = Connectors(self.store, now)
        self.callbacks.on_audit.append(self.connectors.audit)
        self.publishing = Publishing(self.connectors, self.callbacks, self.accounts, self.meter)
        self.files = Files(self.store, self.ids, lambda: self.now())
        self.voices = Voices(self.store, lambda: self.now())
        self.meter.cloned = self._cloned
        self.voiceprints = Voiceprints(self.store, self.ids, lambda: self.now())
        self.prompter = Prompter(self.script.answer)
        self.faults = Faults(
            self.script.fault,
            self.script.network,
            self.seed,
            self.ids,
            lambda id, what, at: self.feed.note("fault", id, "", what, f"at {at}"),
        )

    def _cloned(self, voice_id: str, account: str) -> bool:
        voice = self.voices.find(voice_id, account)
        return voice is not None and bool(voice.account)

    def _default_bot(self) -> Bot:
        """The bot of the script, published since the emulator began."""
        since = int(self.now())
        config = {
            "name": "talkbox",
            "description": "A bot that answers without a network.",
            "onboarding_info": {"prologue": self.script.bot.prologue, "suggested_questions": []},
        }
        return Bot(self.script.bot.id, "", "", config, config, [API], 1, since, since, since)

    async def delay(self, ms: float) -> None:
        """Wait as long as the platform would, divided by the script's speed."""
        await asyncio.sleep(self.seconds(ms))

    def seconds(self, ms: float) -> float:
        """``ms`` of the platform's time in seconds of ours."""
        return ms / 1000 / self.script.timing.speed


async def sleep_until(due: float) -> None:
    """Sleep until ``due`` on the loop's clock; at least let others run."""
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
