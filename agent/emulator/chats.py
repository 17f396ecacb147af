"""Chats without a socket: begun by one request, followed, answered and stopped by others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from agent.coze.events import (
    AudioDelta,
    Chat,
    Downlink,
    ErrorEvent,
    MessageCompleted,
    MessageDelta,
    RequiresAction,
    TurnCompleted,
    TurnCreated,
    TurnFailed,
    TurnInProgress,
)
from agent.coze.frame import encode_audio
from agent.coze.objects import Message, write_chat, write_message
from agent.coze.uplink import ToolResult
from agent.emulator.conversations import Conversation
from agent.emulator.fields import Refusal
from agent.emulator.service import Service
from agent.emulator.tokens import Grant
from agent.emulator.turn import Question, Turn

log = logging.getLogger(__name__)

CANCELED = "conversation.chat.canceled"
ERROR = "error"

# How long a chat waits for the results of its tools before it is given up.
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a stream: its name and its data, ready for JSON."""

    event: str
    data: dict[str, Any]


class Stream:
    """The sink of such a chat. What no request follows is dropped: it can be asked for later.

    ``begun`` is set once the chat is in progress or over; ``on_wait`` is called when it asks for
    tools.
    """

    def __init__(self, on_wait: Callable[[], None]) -> None:
        self._on_wait = on_wait
        self.begun = asyncio.Event()
        self.inserted: list[str] = []
        self._reader: asyncio.Queue[Told | None] | None = None

    def follow(self) -> AsyncIterator[Told]:
        """All events from now on, to the end of the chat or until it asks for tools."""
        reader: asyncio.Queue[Told | None] = asyncio.Queue()
        self._reader = reader
        return self._read(reader)

    async def send(self, *events: Downlink) -> None:
        """Take the events of the turn; those that only sockets tell are left out."""
        for event in events:
            told = self._told(event)
            if told is not None and self._reader is not None:
                self._reader.put_nowait(told)
            if isinstance(event, TurnInProgress):
                self.begun.set()
            elif isinstance(event, RequiresAction):
                self._on_wait()
                self.end()

    def end(self, *last: Told) -> None:
        """Nothing follows until it is taken up again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            for told in (*last, None):
                reader.put_nowait(told)
        self.begun.set()

    def chat(self, chat: Chat) -> dict[str, Any]:
        """A chat as REST tells it."""
        data = write_chat(chat)
        if self.inserted:
            data["inserted_additional_messages"] = [{"id": id} for id in self.inserted]
        return data

    async def _read(self, reader: asyncio.Queue[Told | None]) -> AsyncIterator[Told]:
        while (told := await reader.get()) is not None:
            yield told

    def _told(self, event: Downlink) -> Told | None:
        match event:
            case (
                TurnCreated(chat=chat)
                | TurnInProgress(chat=chat)
                | TurnCompleted(chat=chat)
                | TurnFailed(chat=chat)
                | RequiresAction(chat=chat)
            ):
                return Told(event.event_type, self.chat(chat))
            case MessageCompleted(message=message) if message.role == "user":
                # The question goes into the conversation; its asker knows it already.
                self.inserted.append(message.id)
                return None
            case MessageDelta(message=message):
                # The empty increment before the whole belongs to the sockets.
                return self._message(event, message, message.content) if message.content else None
            case MessageCompleted(message=message):
                return self._message(event, message, message.content)
            case ErrorEvent(code=code, msg=msg):
                return Told(ERROR, {"code": code, "msg": msg})
            case AudioDelta(message=message, audio=audio):
                return self._message(event, message, encode_audio(audio))
        return None

    @staticmethod
    def _message(event: Downlink, message: Message, content: str) -> Told:
        return Told(event.event_type, write_message(message, content))


class RunningChat:
    """One chat and the task that runs it.

    Raises ``Refusal`` 4016 while another one runs in the conversation, ``Exhausted`` where the
    quota is used up. ``on_end`` is called when it is over.
    """

    def __init__(
        self,
        service: Service,
        conversation: Conversation,
        config: dict[str, Any],
        bot_id: str,
        question: Question,
        grant: Grant,
        on_end: Callable[[str], None],
    ) -> None:
        service.limiter.question(grant.account)
        if service.script.switches.quota_form != "failed":
            output = config["output_audio"]
            service.meter.check(grant, output["voice_id"] if output else "")
        conversation.claim(self)
        self.conversation = conversation
        self.stream = Stream(self._wait)
        self.turn = Turn(service, self.stream, config, bot_id, conversation, question, grant)
        self._on_end = on_end
        self._patience: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Let it run."""
        self._task = asyncio.create_task(self._run())

    def state(self) -> dict[str, Any]:
        """The chat as it is now."""
        return self.stream.chat(self.turn.chat)

    def submit(self, outputs: tuple[ToolResult, ...]) -> None:
        """Go on with results. Raises ``Refusal`` unless they are those that were asked for."""
        self.turn.check(self.turn.chat_id, outputs)
        if self._patience is not None:
            self._patience.cancel()
        self.turn.submit(outputs)

    async def cancel(self) -> dict[str, Any]:
        """Stop it. Raises ``Refusal`` 4104 where it waits for tools or is over."""
        status = self.turn.chat.status
        if status not in ("", "created", "in_progress"):
            raise Refusal(f"the chat cannot be canceled, its status is {status}", 4104)
        await self.stop()
        return self.state()

    async def stop(self) -> None:
        """End it in any state."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(_PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        last: tuple[Told, ...] = ()
        try:
            await self.turn.run()
        except asyncio.CancelledError:
            last = (Told(CANCELED, self.state()),)
            raise
        except Exception:
            log.exception("chat %s failed", self.turn.chat_id)
            await self.turn.fail(5000, "internal error")
        finally:
            if self._patience is not None:
                self._patience.cancel()
            self.conversation.release(self)
            self.stream.end(*last)
            self._on_end(self.turn.chat_id)


class Chats:
    """The chats that run now, by their ids."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running: dict[str, RunningChat] = {}

    def begin(
        self,
        conversation: Conversation,
        config: dict[str, Any],
        bot_id: str,
        question: Question,
        grant: Grant,
    ) -> RunningChat:
        """Prepare a chat, which the caller starts. Raises ``Refusal`` 4016."""
        chat = RunningChat(self._service, conversation, config, bot_id, question, grant, self._over)
        self._running[chat.turn.chat_id] = chat
        return chat

    def find(self, conversation_id: str, chat_id: str) -> RunningChat | None:
        """A chat that runs."""
        found = self._running.get(chat_id)
        return found if found and found.conversation.id == conversation_id else None

    async def shut(self) -> None:
        """Stop them all."""
        await asyncio.gather(*(chat.stop() for chat in list(self._running.values())))

    def _over(self, chat_id: str) -> None:
        self._running.pop(chat_id, None)
