"""What the server's own VAD hears, and the turns it begins by itself."""

from __future__ import annotations

from agent.dialog.actions import State
from agent.dialog.core import Core
from agent.dialog.events import ServerSpeechStarted, ServerSpeechStopped
from agent.dialog.turn import EndsBy, Kind, Turn


def speech_started(core: Core, event: ServerSpeechStarted) -> None:
    t = event.t
    if not core.settings.server_turn:
        return
    core.silent_misses = 0
    core.server_speech = True
    turn = core.turn
    if core.state is State.LISTENING and turn is not None:
        turn.speech_seen = True
        core.deadline = core.listening_deadline(t, turn)
        return
    if not core.uplink_open:
        return
    if turn is not None:
        sounding = core.state is State.SPEAKING or core.playback.active
        if sounding and not core.settings.speech_interrupts:
            return
        # The server stops what it knows of: not a question on its way, nor speech without a chat.
        unknown = turn.chatless or (turn.kind is Kind.ASK and turn.awaits_chat)
        core.interrupt(t, "server", cancel=unknown)
    core.begin_listening(t, EndsBy.SERVER, speech_seen=True)


def speech_stopped(core: Core, event: ServerSpeechStopped) -> None:
    if not core.settings.server_turn:
        return
    core.silent_misses = 0
    core.server_speech = False
    core.chats.request_sent()
    if core.state is State.LISTENING:
        _heard(core, event.t)


def server_turn(core: Core, t: float, chat_id: str) -> None:
    """The server begins a turn by itself, from what it heard."""
    heard = Turn(Kind.VOICE, t)
    if not core.adopt(t, heard, chat_id):
        return
    if core.state is not State.LISTENING:
        core.interrupt(t, "server", cancel=False)
    turn = core.turn if core.turn is not None else core.begin_turn(t, Kind.VOICE)
    turn.chat_id, turn.doubtful = heard.chat_id, heard.doubtful
    _heard(core, t)
    core.alive(t)


def _heard(core: Core, t: float) -> None:
    """The server has the utterance."""
    turn = core.turn
    if turn is None:
        return
    turn.sent = True
    turn.ends_by = EndsBy.SERVER
    turn.request_t = t
    core.enter(t, State.THINKING, t + core.settings.first_answer_s)
