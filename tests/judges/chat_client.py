"""Runs in an environment of its own: the official SDK talks with the emulator, and tells in JSON.

    python chat_client.py text|audio BASE_URL [WAV]

It imports nothing of this project, so that what it sees is what a stranger sees.
"""

from __future__ import annotations

import asyncio
import json
import sys
import wave

from cozepy import (
    AsyncCoze,
    AsyncTokenAuth,
    AsyncWebsocketsChatClient,
    AsyncWebsocketsChatEventHandler,
    ChatUpdateEvent,
    ConversationMessageCreateEvent,
    InputAudioBufferAppendEvent,
    WebsocketsEventType,
)


class Handler(AsyncWebsocketsChatEventHandler):
    """Writes down every event it gets, with what the SDK made of it."""

    def __init__(self, transcript: dict) -> None:
        self.transcript = transcript

    def to_dict(self, origin=None):
        async def note(client, event=None):
            if event is None:  # the SDK's own events: it was closed
                return
            name = event.event_type.value
            self.transcript["events"].append(name)
            if name == "conversation.audio.delta":
                self.transcript["audio_bytes"] += len(event.data.get_audio())
            elif name == "conversation.message.completed":
                self.transcript["messages"].append([str(event.data.type), event.data.content])
            elif name == "conversation.audio_transcript.completed":
                self.transcript["heard"].append(event.data.content)
            elif name == "error":
                self.transcript["errors"].append(str(event.data))

        return dict.fromkeys(WebsocketsEventType, note)


async def main(mode: str, base: str, wav: str | None) -> None:
    transcript: dict = {"events": [], "audio_bytes": 0, "messages": [], "heard": [], "errors": []}
    coze = AsyncCoze(auth=AsyncTokenAuth("pat_made_up_for_tests"), base_url=base)
    chat: AsyncWebsocketsChatClient = coze.websockets.chat.create(
        bot_id="7400000000000000001", on_event=Handler(transcript)
    )
    async with chat() as client:
        if mode == "text":
            await client.conversation_message_create(
                ConversationMessageCreateEvent.Data.model_validate(
                    {"role": "user", "content_type": "text", "content": "What is 2 plus 3?"}
                )
            )
        else:
            await client.chat_update(
                ChatUpdateEvent.Data.model_validate(
                    {
                        "input_audio": {
                            "format": "pcm",
                            "codec": "pcm",
                            "sample_rate": 16000,
                            "channel": 1,
                            "bit_depth": 16,
                        },
                        "turn_detection": {"type": "client_interrupt"},
                    }
                )
            )
            with wave.open(wav, "rb") as file:
                data = file.readframes(file.getnframes())
            for start in range(0, len(data), 3200):
                await client.input_audio_buffer_append(
                    InputAudioBufferAppendEvent.Data.model_validate(
                        {"delta": data[start : start + 3200]}
                    )
                )
            await client.input_audio_buffer_complete()
        await asyncio.wait_for(client.wait(), 30)
    print(json.dumps(transcript))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
