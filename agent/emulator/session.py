"""What the events of a chat socket do. Knows no socket: frames come in, the line sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

from agent.coze.events import (
    AudioCompleted,
    BufferCleared,
    BufferCompleted,
    Canceled,
    ChatCreated,
    ChatUpdated,
    Cleared,
    SpeechStarted,
    SpeechStopped,
)
from agent.coze.uplink import (
    AudioAppend,
    AudioClear,
    AudioComplete,
    ChatCancel,
    ChatUpdate,
    ConversationClear,
    GenerateAudio,
    MessageCreate,
    SubmitToolOutputs,
    Uplink,
)
from agent.emulator.config import Rules, default_config, echo, merge, require_codecs
from agent.emulator.conversations import Conversation
from agent.emulator.fields import Refusal, invalid
from agent.emulator.hearing import Hearing
from agent.emulator.line import Line
from agent.emulator.listener import Listener, Paused, Started, Stopped
from agent.emulator.meter import Exhausted
from agent.emulator.receiver import Receiver
from agent.emulator.schema import CHAT
from agent.emulator.service import Service
from agent.emulator.speech import SILENT_MESSAGE, Speech
from agent.emulator.tokens import Grant
from agent.emulator.transcript import interrupts
from agent.emulator.turn import Question, Turn

log = logging.getLogger(__name__)

_WHY = {
    1: "interrupted by user speech",
    2: "canceled by the client",
    3: "replaced by a newer message",
}
_LONGEST_SPEECH_BYTES = 1024
# No limit is documented; the models behind the platform take about as much.
_LONGEST_MESSAGE = 32_768
_ITEM_TYPES = ("text", "file", "image", "audio")


class ChatSession(Receiver):
    """One connection to ``/v1/chat``.

    Frames are handled one after the other; answers, speech and hearing go on in tasks of their own.
    """

    def __init__(self, service: Service, line: Line, grant: Grant, bot_id: str) -> None:
        switches = service.script.switches
        super().__init__(line, switches)
        self._service = service
        self._grant = grant
        self._bot_id = bot_id
        self._config = default_config(switches.default_silence_ms)
        self._listener = Listener(self._config, vad=switches.vad)
        self._hearing = Hearing(service, line, self._watch_words, self._answer_speech)
        self._conversation: Conversation | None = None
        self._turn: Turn | None = None
        self._output: asyncio.Task[None] | None = None
        self._updated = self._listened = False
        if switches.subscriptions == "strict":
            line.always = frozenset()
        # Socket and hearing both begin and end turns; one at a time.
        self._floor = asyncio.Lock()

    async def open(self) -> None:
        """The first frame."""
        await self._line.send(ChatCreated())

    async def close(self) -> None:
        """Stop everything; the conversation is free for the next connection."""
        await self._hearing.drop()
        await self._halt()
        # What was heard and led to no turn costs too.
        gauge = self._service.meter.open(self._grant, self._service.ids.number(), self._bot_id)
        gauge.heard(self._hearing.take_ms())
        gauge.close()

    async def _handle(self, event: Uplink, frame: str | bytes) -> None:
        echoed = self._echoed(event)
        match event:
            case AudioAppend():
                await self._append(event.audio)
            case AudioComplete():
                await self._complete(frame, echoed)
            case AudioClear():
                if self._listener.by_client:
                    self._listener.clear()
                if self._has_buffer():
                    await self._line.send(BufferCleared(id=echoed))
            case ChatUpdate():
                await self._update(event, echoed)
            case ChatCancel():
                await self._cancel()
            case MessageCreate():
                await self._create(event)
            case SubmitToolOutputs():
                if self._turn is None:
                    raise Refusal("invalid parameter: no tool outputs are expected now")
                self._turn.check(event.chat_id, event.outputs)
                self._turn.submit(event.outputs)
            case GenerateAudio():
                await self._generate(event)
            case ConversationClear():
                self._service.conversations.clear(self._own_conversation())
                await self._line.send(Cleared(id=echoed))
            case _:
                raise Refusal(f"invalid parameter: {event.event_type} is not for this socket")

    # --- configuration ------------------------------------------------------------------------

    async def _update(self, event: ChatUpdate, echoed: str) -> None:
        merged = merge(self._config, event.config, CHAT, Rules.of(self._switches))
        require_codecs(merged)
        if (
            self._listened
            and self._switches.input_change == "refuse"
            and merged["input_audio"] != self._config["input_audio"]
        ):
            raise Refusal("invalid parameter: data.input_audio cannot change once audio was sent")
        conversation = self._wanted_conversation(merged["chat_config"])
        before, self._config = self._config, merged
        self._updated = True
        self._conversation = conversation
        if any(before[key] != merged[key] for key in ("input_audio", "turn_detection")):
            self._listener = Listener(merged, vad=self._switches.vad)
        if self._switches.subscriptions != "ignore":
            self._line.subscriptions = frozenset(merged["event_subscriptions"])
        await self._line.send(ChatUpdated(echo(merged), id=echoed))
        if event.config.get("need_play_prologue"):
            prologue = merged.get("prologue_content") or self._service.bots.prologue(
                self._bot_id, self._grant.account
            )
            if self._switches.prologue_events == "chat":
                await self._begin(Question("", "", prologue=prologue), 3)
            else:
                await self._speak(prologue)

    def _wanted_conversation(self, chat_config: dict[str, Any]) -> Conversation | None:
        id, user_id = chat_config.get("conversation_id", ""), chat_config.get("user_id", "")
        if not id or (self._conversation is not None and self._conversation.id == id):
            return self._conversation
        try:
            return self._service.conversations.find(id, self._grant.account, user_id)
        except Refusal:
            if self._switches.unknown_conversation != "create":
                raise
        return self._service.conversations.create(self._grant.account, user_id, id)

    def _own_conversation(self) -> Conversation:
        if self._conversation is None:
            chat_config = self._config["chat_config"]
            user_id = chat_config.get("user_id", "")
            self._conversation = self._service.conversations.create(self._grant.account, user_id)
            chat_config["conversation_id"] = self._conversation.id
        return self._conversation

    # --- audio in -----------------------------------------------------------------------------

    async def _append(self, audio: bytes) -> None:
        if not self._updated and self._switches.before_update != "wav":
            if self._switches.before_update == "refuse":
                raise Refusal("invalid parameter: audio came before chat.update")
            with contextlib.suppress(Refusal):
                await self._listen(audio)
            return
        await self._listen(audio)

    async def _listen(self, audio: bytes) -> None:
        self._listened = True
        for part, found in enumerate(self._listener.feed(audio)):
            if part:
                await asyncio.sleep(0)
            for heard in found:
                match heard:
                    case Started():
                        await self._speech_started()
                    case Paused():
                        self._hearing.put(heard, self._config["asr_config"])
                    case Stopped():
                        await self._line.send(SpeechStopped())
                        self._hearing.put(heard, self._config["asr_config"])

    async def _speech_started(self) -> None:
        keywords = self._keywords()
        if not (keywords and self._speaking()) or self._switches.keyword_speech_started:
            await self._line.send(SpeechStarted())
        if not keywords:
            await self._stop(1)

    async def _watch_words(self, text: str) -> None:
        keywords = self._keywords()
        if keywords and self._speaking() and interrupts(text, keywords):
            await self._stop(1)

    async def _complete(self, frame: str | bytes, echoed: str) -> None:
        if not self._listener.by_client:
            if self._has_buffer():
                await self._line.send(BufferCompleted(id=echoed))
            return
        samples = self._listener.complete()
        if not len(samples) and self._switches.empty_complete == "error":
            raise Refusal("invalid parameter: the audio buffer is empty")
        await self._line.send(BufferCompleted(id=echoed))
        if len(samples):
            self._hearing.put(Stopped(samples, fresh=True), self._config["asr_config"], frame)

    def _has_buffer(self) -> bool:
        """Whether complete and clear are acknowledged. Raises ``Refusal`` where they are wrong."""
        if self._listener.by_client:
            return True
        if self._switches.vad_buffer_events == "error":
            raise Refusal("invalid parameter: the server decides where an utterance ends")
        return self._switches.vad_buffer_events == "acknowledge"

    async def _answer_speech(self, text: str, origin: str | bytes) -> None:
        keywords = self._keywords()
        if keywords and self._speaking() and not interrupts(text, keywords):
            return
        try:
            await self._begin(Question(text, text, heard_ms=self._hearing.take_ms()), 1)
        except Refusal as refusal:
            await self._line.refuse(refusal, origin)

    def _keywords(self) -> dict[str, Any] | None:
        """The interrupt configuration, where it holds and names keywords."""
        config: dict[str, Any] = self._config["turn_detection"].get("interrupt_config", {})
        return None if self._listener.by_client or not config.get("keywords") else config

    # --- turns and other speech ---------------------------------------------------------------

    async def _create(self, event: MessageCreate) -> None:
        if event.role not in ("user", "assistant"):
            raise invalid("data.role", "user or assistant")
        if event.content_type not in ("text", "object_string"):
            raise invalid("data.content_type", "text or object_string")
        if not event.content:
            raise invalid("data.content", "set")
        if len(event.content) > _LONGEST_MESSAGE:
            raise Refusal(f"the message is longer than {_LONGEST_MESSAGE} characters", 4010)
        text = event.content
        if event.content_type == "object_string":
            text = text_of_items(event.content)
        if event.role == "assistant":
            self._service.conversations.insert(
                self._own_conversation(), "assistant", event.content, event.content_type
            )
            return
        await self._begin(Question(text, event.content, event.content_type), 3)

    async def _begin(self, question: Question, code: int) -> None:
        """Start a turn; one that runs is canceled with ``code`` first."""
        if self._switches.quota_form != "failed":
            self._check_quota()
        self._service.limiter.question(self._grant.account)
        async with self._floor:
            conversation = self._own_conversation()
            conversation.claim(self)
            await self._end(code)
            conversation.claim(self)
            turn = Turn(
                self._service,
                self._line,
                self._config,
                self._bot_id,
                conversation,
                question,
                self._grant,
            )
            self._turn = turn
            self._output = asyncio.create_task(self._guard_turn(turn, conversation))

    async def _guard_turn(self, turn: Turn, conversation: Conversation) -> None:
        try:
            await turn.run()
        except ConnectionError:
            log.debug("the client left in the middle of chat %s", turn.chat_id)
        except Exception:
            log.exception("chat %s failed (logid %s)", turn.chat_id, self._line.logid)
            with contextlib.suppress(ConnectionError):
                await turn.fail(5000, "internal error")
        finally:
            conversation.release(self)
        self._turn = None

    async def _cancel(self) -> None:
        dropped = await self._hearing.drop()
        async with self._floor:
            speaking = self._speaking()
            if await self._end(2):
                return
            if dropped or speaking or self._switches.cancel_when_idle == "canceled":
                await self._line.send(Canceled(2, _WHY[2]))
            elif self._switches.cancel_when_idle == "error":
                raise Refusal("invalid parameter: no chat is running", 4104)

    async def _stop(self, code: int) -> None:
        """End what is being said, as ``_end`` does."""
        async with self._floor:
            await self._end(code)

    async def break_off(self) -> None:
        """End what is being said without another word."""
        async with self._floor:
            await self._halt()

    async def _end(self, code: int) -> bool:
        """End what is being said; a turn is told to be canceled with ``code``. Was there one?"""
        turn = self._turn
        await self._halt()
        if turn is None:
            return False
        await self._line.send(Canceled(code, _WHY[code]))
        for delta in turn.late(self._switches.late_deltas):
            await self._line.send(delta)
        if self._switches.noisy_cancel:
            await self._line.send(*turn.noise())
        return True

    async def _halt(self) -> None:
        task, self._output, self._turn = self._output, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._conversation is not None:
            self._conversation.release(self)

    def _speaking(self) -> bool:
        return self._output is not None and not self._output.done()

    async def _generate(self, event: GenerateAudio) -> None:
        if event.mode != "text":
            raise invalid("data.mode", "text")
        if not 0 < len(event.text.encode()) < _LONGEST_SPEECH_BYTES:
            raise invalid("data.text", f"1 to {_LONGEST_SPEECH_BYTES - 1} bytes long")
        if self._switches.generate_audio_cancels:
            await self._stop(3)
        await self._speak(event.text)

    async def _speak(self, text: str) -> None:
        """Say something outside of any turn: audio events only, ids "0"."""
        self._check_quota()
        async with self._floor:
            await self._halt()
            self._output = asyncio.create_task(self._guard_speech(text))

    def _check_quota(self) -> None:
        self._service.meter.check(self._grant, self._config["output_audio"]["voice_id"])

    async def _guard_speech(self, text: str) -> None:
        output = self._config["output_audio"]
        gauge = self._service.meter.open(
            self._grant, self._service.ids.number(), self._bot_id, output["voice_id"]
        )
        speech = Speech(self._service, self._line, output, gauge=gauge)
        for sentence in self._service.brain.sentences(text):
            speech.say(sentence, SILENT_MESSAGE)
        speech.finish()
        try:
            await speech.run()
            await self._service.delay(self._service.script.timing.completed_ms)
            await self._line.send(AudioCompleted(SILENT_MESSAGE))
        except Exhausted as exhausted:
            await self._line.refuse(exhausted)
        except ConnectionError:
            log.debug("the client left in the middle of speech")
        except Exception:
            log.exception("speech failed (logid %s)", self._line.logid)
            await self._line.refuse(Refusal("internal error", 5000))
        finally:
            gauge.close()


def text_of_items(content: str) -> str:
    """The words of an ``object_string``: a JSON array, as text, of text, file, image and audio.

    Raises ``Refusal``. A message without words is understood as what it shows.
    """
    try:
        items = json.loads(content)
    except (ValueError, RecursionError):
        raise invalid("data.content", "a JSON array as text") from None
    if not isinstance(items, list) or not items or not all(isinstance(i, dict) for i in items):
        raise invalid("data.content", "a JSON array of objects as text")
    words = []
    for item in items:
        if item.get("type") not in _ITEM_TYPES:
            raise invalid("data.content[].type", "one of " + ", ".join(_ITEM_TYPES))
        if item["type"] == "text":
            if not isinstance(item.get("text"), str):
                raise invalid("data.content[].text", "a string")
            words.append(item["text"])
        elif not isinstance(item.get("file_id") or item.get("file_url"), str):
            raise invalid("data.content[]", f"given a file_id or file_url for type {item['type']}")
    return " ".join(words) or " ".join(f"[{item['type']}]" for item in items)
