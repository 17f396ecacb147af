"""The turn engine: one question, its answer in text and sound, tools in between."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, replace
from typing import Any

from agent.coze.events import (
    AudioCompleted,
    Chat,
    Downlink,
    ErrorEvent,
    LastError,
    Message,
    MessageCompleted,
    MessageDelta,
    RequiresAction,
    ToolCall,
    TurnCompleted,
    TurnCreated,
    TurnFailed,
    TurnInProgress,
    Usage,
)
from agent.coze.uplink import ToolResult
from agent.emulator.brain.answer import Answer, ToolRequest
from agent.emulator.conversations import Conversation
from agent.emulator.fields import Refusal
from agent.emulator.meter import Exhausted
from agent.emulator.script import ScriptedAnswer
from agent.emulator.service import Service, sleep_until
from agent.emulator.speech import Silence, Sink, Speech
from agent.emulator.tokens import Grant

_FINISHED = json.dumps(
    {
        "msg_type": "generate_answer_finish",
        "data": json.dumps({"finish_reason": 0, "FinData": ""}, separators=(",", ":")),
        "from_module": None,
        "from_unit": None,
    },
    separators=(",", ":"),
)
_DELTAS_PER_BURST = 4
_MOST_TOOL_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What the user said or typed. ``content`` goes back on the wire, ``text`` is understood.

    ``kept`` tells that the history has it already. A ``prologue`` is said without any question.
    """

    text: str
    content: str
    content_type: str = "text"
    heard_ms: float = 0.0
    kept: bool = False
    prologue: str = ""


class Turn:
    """One chat. ``run`` it as a task; cancelling the task stops it within one frame.

    ``config`` is the validated session configuration at its beginning; where its ``output_audio``
    is None the answer has no sound. ``chat`` is the state last told.
    """

    def __init__(
        self,
        service: Service,
        line: Sink,
        config: dict[str, Any],
        bot_id: str,
        conversation: Conversation,
        question: Question,
        grant: Grant | None = None,
    ) -> None:
        """``grant`` pays for it; without one nobody in particular of the conversation's account."""
        self._service = service
        self._line = line
        self._conversation = conversation
        self._question = question
        self._saved: bool = config["chat_config"]["auto_save_history"]
        self._meta: dict[str, Any] | None = config["chat_config"]["meta_data"] or None
        self._memory = conversation.memory if self._saved else dict(conversation.memory)
        if question.prologue:
            self._scripted: ScriptedAnswer | None = ScriptedAnswer(text=question.prologue)
        else:
            self._scripted = service.prompter.find(question.text)
        tone = self._scripted is not None and self._scripted.audio == "tone"
        output = config["output_audio"]
        chat_id = service.ids.number()
        self._gauge = service.meter.open(
            grant or Grant("", conversation.account),
            chat_id,
            bot_id,
            output["voice_id"] if output else "",
        )
        self._speech = (
            Speech(service, line, output, tone=tone, gauge=self._gauge) if output else Silence()
        )
        self._random = random.Random(f"{service.seed} {question.text}")
        self._said: list[str] = []
        self._calls: tuple[ToolCall, ...] = ()
        self._outputs: asyncio.Future[tuple[ToolResult, ...]] | None = None
        self.chat = Chat(
            id=chat_id,
            conversation_id=conversation.id,
            bot_id=bot_id,
            section_id=conversation.section_id,
            created_at=int(time.time()),
            meta_data=self._meta,
            usage=Usage(),
        )
        self._conversation.bot_id = self._conversation.bot_id or bot_id

    @property
    def chat_id(self) -> str:
        """The id of the chat."""
        return self.chat.id

    async def run(self) -> None:
        """From the question to the last event of the turn."""
        try:
            await self._run()
        except (asyncio.CancelledError, ConnectionError):
            self._become("canceled")
            raise
        finally:
            self._settle()
            if self._saved and not self._conversation.deleted:
                self._service.conversations.save(self._conversation)

    async def _run(self) -> None:
        late = (
            self._service.script.switches.spoken_order == "chat_first" and self._question.heard_ms
        )
        if not late:
            await self._tell_question()
        await self._line.send(TurnCreated(self._become("created")))
        await self._line.send(TurnInProgress(self._become("in_progress")))
        if late:
            await self._tell_question()
        scripted = self._scripted
        if self._service.script.switches.quota_form == "failed" and self._gauge.verdict():
            await self.fail(self._service.script.switches.quota_code, Exhausted.MSG)
            return
        if scripted is not None and scripted.silent:
            await asyncio.Event().wait()
        if scripted is not None and scripted.fail is not None:
            await self._service.delay(self._service.script.timing.first_text_ms + scripted.think_ms)
            await self.fail(scripted.fail.code, scripted.fail.msg)
            return
        message = await self._answer(scripted)
        if message is None:
            return
        await self._service.delay(self._service.script.timing.completed_ms)
        self._memory["said"] = " ".join(self._said)
        completed = self._become("completed", completed_at=int(time.time()), usage=self._usage())
        await self._line.send(AudioCompleted(_as_audio(message)), TurnCompleted(completed))

    async def _tell_question(self) -> None:
        if self._question.prologue:
            return
        question = self._message("question", self._question.content, role="user")
        question = replace(question, content_type=self._question.content_type)
        if not self._question.kept:
            self._keep(question)
        await self._line.send(MessageCompleted(question))

    async def _answer(self, scripted: ScriptedAnswer | None) -> Message | None:
        """Text and sound; None where the quota ended it and that was told."""
        message, exhausted = None, None
        lost = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._speech.run())
                message = await self._converse(scripted)
                self._speech.finish()
        except* Exhausted as several:
            exhausted = several.exceptions[0]
        except* ConnectionError:
            lost = True
        if lost:
            raise ConnectionError("the client left")
        if not isinstance(exhausted, Exhausted):
            return message
        if self._service.script.switches.quota_mid_turn == "error":
            self._become("failed", last_error=LastError(exhausted.code, exhausted.msg))
            await self._line.send(ErrorEvent(exhausted.code, exhausted.msg))
        else:
            await self.fail(exhausted.code, exhausted.msg)
        return None

    def _settle(self) -> None:
        usage = self._usage()
        self._gauge.heard(self._question.heard_ms)
        if self._said:
            self._gauge.thought(usage.input_count, usage.output_count)
        self._gauge.close()

    async def fail(self, code: int, msg: str) -> None:
        """Tell that the turn failed."""
        failed = self._become("failed", failed_at=int(time.time()), last_error=LastError(code, msg))
        await self._line.send(TurnFailed(failed))

    def check(self, chat_id: str, outputs: tuple[ToolResult, ...]) -> None:
        """Raises ``Refusal`` unless exactly the requested results are there."""
        if self._outputs is None or self._outputs.done():
            raise Refusal("invalid parameter: no tool outputs are expected now")
        if chat_id != self.chat_id:
            raise Refusal(f"invalid parameter: data.chat_id {chat_id} does not wait for outputs")
        expected = [call.id for call in self._calls]
        given = [output.tool_call_id for output in outputs]
        for id in given:
            if id not in expected:
                raise Refusal(f"invalid parameter: tool_call_id {id} was not requested")
        if sorted(given) != sorted(expected):
            raise Refusal("invalid parameter: data.tool_outputs must have every call once")

    def submit(self, outputs: tuple[ToolResult, ...]) -> None:
        """Go on with results that were checked."""
        if self._outputs is not None:
            self._outputs.set_result(outputs)

    def late(self, most: int) -> list[Downlink]:
        """Audio that was ready when the turn was stopped."""
        return self._speech.leftovers(most)

    def noise(self) -> tuple[AudioCompleted, TurnCompleted]:
        """What a server that goes on about a cancelled turn would send."""
        message = self._message("answer", "")
        canceled = replace(
            self.chat, status="canceled", completed_at=int(time.time()), usage=self._usage()
        )
        return AudioCompleted(_as_audio(message)), TurnCompleted(canceled)

    async def _converse(self, scripted: ScriptedAnswer | None) -> Message:
        """Everything between in progress and the end of the audio; the last answer."""
        if scripted is None:
            answer = self._service.brain.answer(self._question.text, self._memory)
            return await self._use_tools(answer, 0.0)
        if not scripted.tools:
            return await self._tell(scripted.text, scripted.think_ms)
        if scripted.text:
            await self._tell(scripted.text, scripted.think_ms, verbose=False)
        else:
            await self._service.delay(scripted.think_ms)
        requests = [(tool.name, tool.arguments) for tool in scripted.tools]
        outputs = await self._request(requests)
        if scripted.then:
            return await self._tell(scripted.then, 0.0)
        texts = [
            self._after(*request, result) for request, result in zip(requests, outputs, strict=True)
        ]
        return await self._tell(" ".join(text for text in texts if text), 0.0)

    async def _use_tools(self, answer: Answer, think_ms: float) -> Message:
        for _ in range(_MOST_TOOL_ROUNDS):
            request = answer.tool
            if request is None:
                break
            if answer.text:
                await self._tell(answer.text, think_ms, verbose=False)
            [output] = await self._request([(request.name, request.arguments)])
            answer = self._service.brain.after_tool(request, output, self._memory)
        return await self._tell(answer.text, think_ms)

    def _after(self, name: str, arguments: dict[str, Any], output: str) -> str:
        return self._service.brain.after_tool(
            ToolRequest(name, arguments), output, self._memory
        ).text

    async def _tell(self, text: str, think_ms: float, *, verbose: bool = True) -> Message:
        """Say one text: deltas, sentences to the speech as they are complete, the whole."""
        service, timing = self._service, self._service.script.timing
        message = self._message("answer", text)
        loop = asyncio.get_running_loop()
        due = loop.time() + service.seconds(timing.first_text_ms + think_ms)
        ends = sentence_ends(text, service.brain.sentences(text))
        self._said.append(text)
        out = 0
        for count, delta in enumerate(text_deltas(text, self._random)):
            # As recorded: one delta alone, then bursts.
            if count % _DELTAS_PER_BURST == 1:
                due += service.seconds(timing.text_ms)
            await sleep_until(due)
            await self._line.send(MessageDelta(replace(message, content=delta)))
            out += len(delta)
            while ends and ends[0][0] <= out:
                self._speech.say(ends.pop(0)[1], _as_audio(message))
        for _, sentence in ends:
            self._speech.say(sentence, _as_audio(message))
        await sleep_until(due + service.seconds(timing.verbose_ms))
        self._keep(message)
        await self._line.send(MessageDelta(replace(message, content="")), MessageCompleted(message))
        if verbose:
            await service.delay(timing.verbose_ms)
            await self._tell_of("verbose", _FINISHED)
        return message

    async def _request(self, requests: list[tuple[str, dict[str, Any]]]) -> list[str]:
        """Ask for tool calls and wait, without limit, for their results in order."""
        self._calls = tuple(
            ToolCall(self._service.ids.call(), name, _json(arguments))
            for name, arguments in requests
        )
        for name, arguments in requests:
            content = _json({"name": name, "arguments": arguments})
            await self._tell_of("function_call", content)
        self._outputs = asyncio.get_running_loop().create_future()
        waiting = self._become("requires_action", tool_calls=self._calls)
        await self._line.send(RequiresAction(waiting))
        results = {result.tool_call_id: result.output for result in await self._outputs}
        outputs = [results[call.id] for call in self._calls]
        for output in outputs:
            await self._tell_of("tool_output", output)
        await self._line.send(TurnInProgress(self._become("in_progress")))
        return outputs

    async def _tell_of(self, type: str, content: str) -> None:
        """Send a message that comes in one piece."""
        message = self._message(type, content)
        self._keep(message)
        await self._line.send(MessageCompleted(message))

    def _keep(self, message: Message) -> None:
        if self._saved:
            self._service.conversations.keep(self._conversation, message)

    def _message(self, type: str, content: str, role: str = "assistant") -> Message:
        return Message(
            id=self._service.ids.number(),
            conversation_id=self.chat.conversation_id,
            bot_id=self.chat.bot_id,
            role=role,
            type=type,
            content=content,
            chat_id=self.chat.id,
            section_id=self.chat.section_id,
            meta_data=self._meta,
        )

    def _become(self, status: str, **changes: Any) -> Chat:
        """The chat in its next state, which is stored where the history is."""
        self.chat = replace(self.chat, **{"status": status, "tool_calls": (), **changes})
        # A chat that was only just created is in progress before anybody could ask for it.
        if self._saved and status != "created" and not self._conversation.deleted:
            self._service.conversations.history.note(self.chat)
        return self.chat

    def _usage(self) -> Usage:
        spent = tokens(self._question.text) + 8, tokens(" ".join(self._said))
        return Usage(token_count=sum(spent), output_count=spent[1], input_count=spent[0])


def text_deltas(text: str, rng: random.Random) -> list[str]:
    """``text`` in increments of 1 to 4 characters; long ones where letters are plain ASCII."""
    deltas = []
    at = 0
    while at < len(text):
        size = rng.choice((3, 4, 4)) if text[at].isascii() else rng.choice((1, 1, 2, 2, 2, 3))
        deltas.append(text[at : at + size])
        at += size
    return deltas


def sentence_ends(text: str, sentences: list[str]) -> list[tuple[int, str]]:
    """Each sentence with the number of characters of ``text`` after which it is complete."""
    ends = []
    at = 0
    for sentence in sentences:
        found = text.find(sentence, at)
        at = found + len(sentence) if found >= 0 else min(len(text), at + len(sentence))
        ends.append((at, sentence))
    return ends


def tokens(text: str) -> int:
    """About as many tokens as a model would count."""
    plain = sum(letter.isascii() for letter in text)
    return -(-plain // 4) + -(-(len(text) - plain) * 3 // 5)


def _as_audio(message: Message) -> Message:
    return replace(message, content="", content_type="audio")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
