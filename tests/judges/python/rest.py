"""REST through the official Python SDK.

python rest.py BASE_URL WAV
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cozepy import (
    AudioFormat,
    BotOnboardingInfo,
    BotPromptInfo,
    Coze,
    Message,
    MessageContentType,
    MessageObjectString,
    MessageRole,
    TokenAuth,
    ToolOutput,
    VariableValue,
    VoiceState,
)
from cozepy.api_apps import AppType
from cozepy.bots import PublishStatus
from cozepy.connectors.bots import AuditStatus
from cozepy.conversations.message.feedback import FeedbackType
from steps import Steps

BOT = "7400000000000000001"
USER = "guest-1"


def question(text: str) -> list[Message]:
    return [Message.build_user_question_text(text)]


class Rooms:
    """Each method visits one room of the platform."""

    def __init__(self, base: str, wav: Path) -> None:
        self.base = base
        self.wav = wav
        self.steps = Steps()
        self.take = self.steps.take
        self.coze = Coze(auth=TokenAuth("pat_made_up_for_tests"), base_url=base)

    def people(self) -> None:
        self.take("users.me", self.coze.users.me)
        self.space = self.take("workspaces.list", lambda: self.coze.workspaces.list().items)[0].id
        stranger = Coze(auth=TokenAuth("bad_token"), base_url=self.base)
        self.take("stranger", stranger.users.me)

    def bots(self) -> None:
        bots = self.coze.bots
        self.take("bots.retrieve", bots.retrieve, bot_id=BOT)
        self.take("bots.retrieve.v2", bots.retrieve, bot_id=BOT, use_api_version=2)
        made = self.take(
            "bots.create",
            bots.create,
            space_id=self.space,
            name="Judge",
            description="A bot for judging",
            prompt_info=BotPromptInfo(prompt="Be brief."),
            onboarding_info=BotOnboardingInfo(prologue="Hello.", suggested_questions=["Why?"]),
        )
        self.take("bots.unpublished", bots.retrieve, bot_id=made.bot_id)
        self.take("bots.update", bots.update, bot_id=made.bot_id, name="Judge 2")
        self.take("bots.publish", bots.publish, bot_id=made.bot_id)
        self.take("bots.published", bots.retrieve, bot_id=made.bot_id, use_api_version=2)
        self.take("bots.list", lambda: list(bots.list(space_id=self.space)))
        self.take(
            "bots.list.v2",
            lambda: list(
                bots.list(space_id=self.space, publish_status=PublishStatus.ALL, use_api_version=2)
            ),
        )
        self.take(
            "connectors.bots.update",
            self.coze.connectors.bots.update,
            bot_id=made.bot_id,
            connector_id="1024",
            audit_status=AuditStatus.APPROVED,
            reason="fine",
        )
        self.take("bots.unpublish", bots.unpublish, bot_id=made.bot_id, connector_id="1024")
        self.take("bots.gone", bots.retrieve, bot_id="unknown_bot", use_api_version=2)

    def conversations(self) -> None:
        talks = self.coze.conversations
        talk = self.take(
            "conversations.create",
            talks.create,
            bot_id=BOT,
            name="Lobby",
            messages=[*question("Hello"), Message.build_assistant_answer("Hi")],
            meta_data={"room": "lobby"},
        )
        for number in range(3):
            talks.create(bot_id=BOT, name=f"Talk {number}")
        self.take("conversations.retrieve", talks.retrieve, conversation_id=talk.id)
        self.take("conversations.list", lambda: list(talks.list(bot_id=BOT, page_size=2)))
        self.take("conversations.update", talks.update, conversation_id=talk.id, name="Hall")
        self._messages(talk.id)
        self.take("conversations.clear", talks.clear, conversation_id=talk.id)
        self.take("conversations.delete", talks.delete, conversation_id=talk.id)
        self.take("conversations.gone", talks.retrieve, conversation_id=talk.id)

    def _messages(self, talk: str) -> None:
        messages = self.coze.conversations.messages
        one = self.take(
            "messages.create",
            messages.create,
            conversation_id=talk,
            role=MessageRole.USER,
            content="One",
            content_type=MessageContentType.TEXT,
            meta_data={"n": "1"},
        )
        self.take(
            "messages.list",
            lambda: list(messages.list(conversation_id=talk, order="asc", limit=2)),
        )
        known = {"conversation_id": talk, "message_id": one.id}
        self.take("messages.retrieve", messages.retrieve, **known)
        self.take(
            "messages.update",
            messages.update,
            **known,
            content="Two",
            content_type=MessageContentType.TEXT,
        )
        self.take(
            "feedback.create", messages.feedback.create, **known, feedback_type=FeedbackType.LIKE
        )
        self.take("feedback.delete", messages.feedback.delete, **known)
        self.take("messages.delete", messages.delete, **known)
        self.take("messages.gone", messages.retrieve, **known)

    def chats(self) -> None:
        chat = self.coze.chat
        self.take(
            "chat.poll",
            chat.create_and_poll,
            bot_id=BOT,
            user_id=USER,
            additional_messages=question("How much is 2 plus 3?"),
            meta_data={"k": "v"},
        )
        self.take(
            "chat.stream",
            lambda: [
                [event.event.value, (event.message or event.chat).model_dump(mode="json")]
                for event in chat.stream(
                    bot_id=BOT, user_id=USER, additional_messages=question("How much is 2 plus 3?")
                )
            ],
        )
        self.take(
            "chat.stream.failed",
            lambda: [
                [event.event.value, (event.message or event.chat).model_dump(mode="json")]
                for event in chat.stream(
                    bot_id=BOT, user_id=USER, additional_messages=question("Be broken.")
                )
            ],
        )
        story = self.take(
            "chat.create",
            chat.create,
            bot_id=BOT,
            user_id=USER,
            additional_messages=question("Tell me a long story."),
        )
        known = {"conversation_id": story.conversation_id, "chat_id": story.id}
        self.take("chat.cancel", chat.cancel, **known)
        self.take("chat.canceled", chat.retrieve, **known)
        self.take("chat.cancel.again", chat.cancel, **known)
        self.take("chat.unsaved", chat.create, bot_id=BOT, user_id=USER, auto_save_history=False)
        self.take("chat.unknown_bot", chat.create, bot_id="unknown", user_id=USER)

    def tools(self) -> None:
        chat = self.coze.chat
        asked = question("Set the volume, please.")
        events: list[Any] = []

        def call() -> Any:
            for event in chat.stream(bot_id=BOT, user_id=USER, additional_messages=asked):
                events.append(event)
            return [event.event.value for event in events]

        self.take("tools.stream", call)
        waiting = events[-1].chat
        self.take("tools.asked", lambda: waiting)
        self.take(
            "tools.cancel", chat.cancel, conversation_id=waiting.conversation_id, chat_id=waiting.id
        )
        self.take("tools.stream.done", self._submit, waiting, stream=True)
        waiting = self.take(
            "tools.create",
            chat.create_and_poll,
            bot_id=BOT,
            user_id=USER,
            additional_messages=asked,
        ).chat
        self.take("tools.wrong", self._submit, waiting, stream=False, call="made_up")
        self.take("tools.create.resumed", self._submit, waiting, stream=False)
        known = {"conversation_id": waiting.conversation_id, "chat_id": waiting.id}
        for _ in range(50):
            if chat.retrieve(**known).status.value == "completed":
                break
            time.sleep(0.1)
        self.take("tools.create.done", chat.retrieve, **known)
        self.take("tools.create.messages", chat.messages.list, **known)

    def _submit(self, chat: Any, stream: bool, call: str = "") -> Any:
        calls = chat.required_action.submit_tool_outputs.tool_calls
        found = self.coze.chat.submit_tool_outputs(
            conversation_id=chat.conversation_id,
            chat_id=chat.id,
            tool_outputs=[ToolOutput(tool_call_id=call or one.id, output="{}") for one in calls],
            stream=stream,
        )
        return [event.event.value for event in found] if stream else found

    def files(self) -> None:
        files = self.coze.files
        kept = self.take("files.upload", files.upload, file=self.wav)
        self.take("files.named", files.upload, file=("a picture.png", b"\x89PNG not really"))
        self.take("files.retrieve", files.retrieve, file_id=kept.id)
        self.take("files.gone", files.retrieve, file_id="7999999999999999999")
        self.take("files.empty", files.upload, file=("empty.txt", b""))
        objects = [
            MessageObjectString.build_text("What is in this?"),
            MessageObjectString.build_file(file_id=kept.id),
        ]
        self.take(
            "files.chat",
            self.coze.chat.create_and_poll,
            bot_id=BOT,
            user_id=USER,
            additional_messages=[Message.build_user_question_objects(objects)],
        )

    def variables(self) -> None:
        variables = self.coze.variables
        known = {"bot_id": BOT, "connector_uid": USER}
        self.take(
            "variables.update",
            variables.update,
            **known,
            data=[VariableValue(keyword="room", value="lobby")],
        )
        self.take("variables.retrieve", variables.retrieve, **known, keywords=["room", "none"])

    def audio(self) -> None:
        audio = self.coze.audio
        voices = self.take("voices.list", lambda: list(audio.voices.list(page_size=2)))
        self.take(
            "voices.clone",
            audio.voices.clone,
            voice_name="My own voice",
            file=self.wav,
            audio_format=AudioFormat.WAV,
        )
        self.take(
            "voices.cloned",
            lambda: list(
                audio.voices.list(filter_system_voice=True, voice_state=VoiceState.CLONED)
            ),
        )
        for kind in AudioFormat:
            self.take(f"speech.{kind.value}", self._speech, voices[0].voice_id, kind)
        self.take("speech.long", self._speech, voices[0].voice_id, AudioFormat.WAV, "word " * 300)
        self.take("transcriptions", audio.transcriptions.create, file=self.wav)

    def _speech(self, voice: str, kind: AudioFormat, text: str = "Good morning.") -> Any:
        found = self.coze.audio.speech.create(
            input=text, voice_id=voice, response_format=kind, sample_rate=16000
        )
        with tempfile.NamedTemporaryFile() as file:
            found.write_to_file(file.name)
            content = Path(file.name).read_bytes()
        return {"size": len(content), "begins": content[:16].hex(), "logid": found.response.logid}

    def voiceprints(self) -> None:
        groups = self.coze.audio.voiceprint_groups
        group = self.take("voiceprints.create", groups.create, name="Family", desc="All of us").id
        self.take("voiceprints.update", groups.update, group_id=group, name="Home")
        features = groups.features
        one = self.take(
            "features.create", features.create, group_id=group, name="Me", file=self.wav, desc="I"
        ).id
        # Numbers beside a file are more than the SDK can send.
        self.take(
            "features.rate",
            features.create,
            group_id=group,
            name="Me",
            file=self.wav,
            sample_rate=16000,
        )
        known = {"group_id": group, "feature_id": one}
        self.take("features.update", features.update, **known, name="Myself")
        self.take("features.list", lambda: list(features.list(group_id=group)))
        self.take("voiceprints.list", lambda: list(groups.list(group_id=group)))
        self.take("voiceprints.identify", groups.speaker_identify, group_id=group, file=self.wav)
        self.take("features.delete", features.delete, **known)
        self.take("voiceprints.delete", groups.delete, group_id=group)

    def callbacks(self) -> None:
        apps = self.coze.api_apps
        app = self.take("api_apps.create", apps.create, app_type=AppType.NORMAL, name="Fleet").id
        self.take("api_apps.update", apps.update, app_id=app, name="Fleet 2")
        events = ["benefit.usage", "bot.published"]
        self.take("events.create", apps.events.create, api_app_id=app, event_types=events)
        self.take("events.list", lambda: list(apps.events.list(api_app_id=app)))
        self.take("events.delete", apps.events.delete, api_app_id=app, event_types=events[1:])
        self.take("api_apps.list", lambda: list(apps.list(app_type=AppType.NORMAL)))
        self.take("api_apps.delete", apps.delete, app_id=app)


def main(base: str, wav: str) -> None:
    rooms = Rooms(base, Path(wav))
    for name, method in vars(Rooms).items():
        if not name.startswith("_"):
            # A room that is shut must not hide the others.
            rooms.take(f"room {name}", method, rooms)
    rooms.steps.write()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
