"""The three sockets through the official Python SDK.

    python sockets.py BASE_URL WAV [SCENARIO]

The WAV is 16 kHz mono. Names under ``localhost`` are this machine, whatever its resolver says.
Every scenario has a connection of its own; they run side by side.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cozepy import (
    AsyncCoze,
    AsyncTokenAuth,
    ChatUpdateEvent,
    ConversationChatSubmitToolOutputsEvent,
    ConversationMessageCreateEvent,
    Coze,
    CozeAPIError,
    InputAudioBufferAppendEvent,
    InputTextBufferAppendEvent,
    InputTextGenerateAudioEvent,
    SpeechUpdateEvent,
    TokenAuth,
    TranscriptionsUpdateEvent,
    WebsocketsEventType,
)
from steps import told

TOKEN = "pat_made_up_for_tests"
BOT = "7400000000000000001"
PCM = {"format": "pcm", "codec": "pcm", "sample_rate": 16000, "channel": 1, "bit_depth": 16}
END = "conversation.chat.completed"


class Line:
    """What the SDK made of the frames of one connection, in their order."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self.handlers = dict.fromkeys(WebsocketsEventType, self._note)

    async def _note(self, client: Any, event: Any = None) -> None:
        # The SDK tells its own events too: without an event it was closed.
        if event is not None:
            self.frames.append(digest(event))
            self._changed.set()

    async def first(self, name: str) -> dict[str, Any]:
        """The first frame of that type, now or later."""
        while not (found := [frame for frame in self.frames if frame["type"] == name]):
            self._changed.clear()
            await self._changed.wait()
        return found[0]


def digest(event: Any) -> dict[str, Any]:
    """One event as JSON; sound is told by its length in bytes."""
    if isinstance(event, Exception):
        return {"type": "client_error", "data": told(event)}
    frame: dict[str, Any] = {"type": event.event_type.value, "logid": event.detail.logid}
    data = getattr(event, "data", None)
    if isinstance(data, CozeAPIError):
        frame["data"] = told(data)
        frame["origin"] = event.detail.origin_message
    elif frame["type"] == "conversation.audio.delta":
        frame["data"] = {**data.model_dump(mode="json"), "content": len(data.get_audio())}
    elif frame["type"] == "speech.audio.update":
        frame["data"] = {"delta": len(data.delta)}
    elif data is not None:
        frame["data"] = data.model_dump(mode="json", exclude_none=True)
    return frame


def question(text: str) -> ConversationMessageCreateEvent.Data:
    return ConversationMessageCreateEvent.Data(role="user", content_type="text", content=text)


def update(**data: Any) -> ChatUpdateEvent.Data:
    return ChatUpdateEvent.Data.model_validate(data)


def pieces(data: bytes, size: int = 3200) -> list[InputAudioBufferAppendEvent.Data]:
    return [
        InputAudioBufferAppendEvent.Data(delta=data[at : at + size])
        for at in range(0, len(data), size)
    ]


class Scenarios:
    """Each method is one connection, named like the key of its frames in the report."""

    def __init__(self, base: str, wav: str) -> None:
        self.base = base
        self.file = Path(wav).read_bytes()
        with wave.open(wav, "rb") as sound:
            self.speech = sound.readframes(sound.getnframes())
        self.coze = AsyncCoze(auth=AsyncTokenAuth(TOKEN), base_url=base)

    async def _chat(
        self, act: Callable[[Any, Line], Awaitable[Any]], end: str = END, **more: Any
    ) -> list[dict[str, Any]]:
        line = Line()
        chat = self.coze.websockets.chat.create(bot_id=BOT, on_event=line.handlers, **more)
        async with chat() as client:
            await act(client, line)
            await line.first(end)
        return line.frames

    async def derived(self) -> Any:
        """Where the SDK goes for the sockets, and a turn there."""
        return {"base": self.coze.websockets._base_url, "frames": await self.text()}

    async def text(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.conversation_message_create(question("How much is 2 plus 3?"))
            await client.wait()

        return await self._chat(act, device_id=4711)

    async def spoken_pcm(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.chat_update(
                update(input_audio=PCM, turn_detection={"type": "client_interrupt"})
            )
            for piece in pieces(self.speech):
                await client.input_audio_buffer_append(piece)
            await client.input_audio_buffer_complete()

        return await self._chat(act)

    async def spoken_wav(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.input_audio_buffer_append(
                InputAudioBufferAppendEvent.Data(delta=self.file)
            )
            await client.input_audio_buffer_complete()

        return await self._chat(act)

    async def free_talk(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.chat_update(
                update(
                    input_audio=PCM,
                    turn_detection={
                        "type": "server_vad",
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 300,
                    },
                    asr_config={"user_language": "en", "hot_words": ["talkbox"]},
                )
            )
            for piece in pieces(self.speech + bytes(32000)):
                await client.input_audio_buffer_append(piece)

        return await self._chat(act)

    async def opus(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.chat_update(
                update(
                    output_audio={
                        "codec": "opus",
                        "opus_config": {
                            "bitrate": 16000,
                            "use_cbr": True,
                            "frame_size_ms": 60,
                            "limit_config": {"period": 1, "max_frame_num": 100},
                        },
                        "speech_rate": 0,
                    },
                    event_subscriptions=["chat.updated", "conversation.audio.delta", END],
                )
            )
            await client.conversation_message_create(question("How much is 2 plus 3?"))

        return await self._chat(act)

    async def cancel(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            # Paced, or the story would be over before it can be cancelled.
            paced = {"frame_size_ms": 60, "limit_config": {"period": 1, "max_frame_num": 20}}
            await client.chat_update(update(output_audio={"codec": "pcm", "pcm_config": paced}))
            await client.conversation_message_create(question("Tell me a long story."))
            await line.first("conversation.audio.delta")
            await client.conversation_chat_cancel()

        return await self._chat(act, "conversation.chat.canceled")

    async def say(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.input_text_generate_audio(
                InputTextGenerateAudioEvent.Data.model_validate(
                    {"mode": "text", "text": "Are you still there?"}
                )
            )

        return await self._chat(act, "conversation.audio.completed")

    async def prologue(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.chat_update(
                update(need_play_prologue=True, prologue_content="Good morning.")
            )

        return await self._chat(act, "conversation.audio.completed")

    async def tools(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.conversation_message_create(question("Set the volume, please."))
            asked = (await line.first("conversation.chat.requires_action"))["data"]
            calls = asked["required_action"]["submit_tool_outputs"]["tool_calls"]
            await client.conversation_chat_submit_tool_outputs(
                ConversationChatSubmitToolOutputsEvent.Data.model_validate(
                    {
                        "chat_id": asked["id"],
                        "tool_outputs": [
                            {"tool_call_id": call["id"], "output": '{"ok": true}'} for call in calls
                        ],
                    }
                )
            )

        return await self._chat(act)

    async def failure(self) -> Any:
        async def act(client: Any, line: Line) -> None:
            await client.conversation_message_create(question("Be broken."))

        return await self._chat(act, "conversation.chat.failed")

    async def buffers(self) -> Any:
        """Clearing both, and what an unacceptable update gets."""

        async def act(client: Any, line: Line) -> None:
            await client.chat_update(update(input_audio=PCM))
            await client.input_audio_buffer_append(pieces(self.speech)[0])
            await client.input_audio_buffer_clear()
            await client.conversation_clear()
            await line.first("conversation.cleared")
            await client.chat_update(update(input_audio={**PCM, "sample_rate": 12345}))

        return await self._chat(act, "error")

    async def stranger(self) -> Any:
        """A token that is refused at the door."""
        coze = AsyncCoze(auth=AsyncTokenAuth("bad_token"), base_url=self.base)
        try:
            async with coze.websockets.chat.create(bot_id=BOT, on_event={})():
                return []
        except CozeAPIError as error:
            return told(error)

    async def speech_default(self) -> Any:
        return await self._speech(None)

    async def speech_opus(self) -> Any:
        return await self._speech(
            {"codec": "opus", "opus_config": {"frame_size_ms": 20, "bitrate": 24000}}
        )

    async def _speech(self, output: dict[str, Any] | None) -> Any:
        line = Line()
        async with self.coze.websockets.audio.speech.create(on_event=line.handlers)() as client:
            if output:
                # Unlike its siblings this call wants the event itself.
                await client.speech_update(
                    SpeechUpdateEvent.model_validate({"data": {"output_audio": output}})
                )
            for piece in ("The update ", "is running. ", "Please wait."):
                await client.input_text_buffer_append(InputTextBufferAppendEvent.Data(delta=piece))
            await client.input_text_buffer_complete()
            await client.wait()
        return line.frames

    async def transcription_wav(self) -> Any:
        return await self._transcription([self.file], None)

    async def transcription_pcm(self) -> Any:
        parts = [self.speech[at : at + 6400] for at in range(0, len(self.speech), 6400)]
        return await self._transcription(parts, PCM)

    async def _transcription(self, parts: list[bytes], audio: dict[str, Any] | None) -> Any:
        line = Line()
        build = self.coze.websockets.audio.transcriptions.create(on_event=line.handlers)
        async with build() as client:
            if audio:
                await client.transcriptions_update(
                    TranscriptionsUpdateEvent.Data.model_validate({"input_audio": audio})
                )
                await client.input_audio_buffer_append(
                    InputAudioBufferAppendEvent.Data(delta=parts[0])
                )
                await client.input_audio_buffer_clear()
            for part in parts:
                await client.input_audio_buffer_append(InputAudioBufferAppendEvent.Data(delta=part))
            await client.input_audio_buffer_complete()
            await client.wait()
        return line.frames

    async def threaded(self) -> Any:
        """The SDK's client with threads. Its wait() returns only with wait_all=False."""
        seen: list[dict[str, Any]] = []
        over = asyncio.Event()
        loop = asyncio.get_running_loop()

        def note(client: Any, event: Any = None) -> None:
            if event is not None:
                seen.append(digest(event))

        def work() -> None:
            coze = Coze(auth=TokenAuth(TOKEN), base_url=self.base)
            handlers = dict.fromkeys(WebsocketsEventType, note)
            with coze.websockets.chat.create(bot_id=BOT, on_event=handlers)() as client:
                client.conversation_message_create(question("How much is 2 plus 3?"))
                client.wait(wait_all=False)
            with coze.websockets.audio.speech.create(on_event=handlers)() as client:
                client.input_text_buffer_append(InputTextBufferAppendEvent.Data(delta="Hello."))
                client.input_text_buffer_complete()
                client.wait(wait_all=False)
            with coze.websockets.audio.transcriptions.create(on_event=handlers)() as client:
                client.input_audio_buffer_append(InputAudioBufferAppendEvent.Data(delta=self.file))
                client.input_audio_buffer_complete()
                client.wait(wait_all=False)
            loop.call_soon_threadsafe(over.set)

        threading.Thread(target=work, daemon=True).start()
        await over.wait()
        return seen


def look_up_localhost() -> None:
    """Resolve names under ``localhost`` as RFC 6761 wants it, which not every machine does."""
    look_up = socket.getaddrinfo

    def here(host: Any, *args: Any, **kwargs: Any) -> Any:
        local = isinstance(host, str) and host.endswith(".localhost")
        return look_up("127.0.0.1" if local else host, *args, **kwargs)

    socket.getaddrinfo = here


async def main(base: str, wav: str, *names: str) -> None:
    look_up_localhost()
    scenarios = Scenarios(base, wav)
    names = names or tuple(name for name in vars(Scenarios) if not name.startswith("_"))

    async def run(name: str) -> Any:
        try:
            return {"gave": await asyncio.wait_for(getattr(scenarios, name)(), 30)}
        except Exception as error:  # noqa: BLE001 (whatever the SDK stumbles over is the finding)
            return {"raised": told(error)}

    found = await asyncio.gather(*map(run, names))
    json.dump(dict(zip(names, found, strict=True)), sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
