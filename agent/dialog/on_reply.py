"""What the platform sends of an answer, in whatever order, and what it says about its turns."""

from __future__ import annotations

from agent.dialog import on_vad
from agent.dialog.actions import CancelTurn, SendQuestion, State
from agent.dialog.core import Core
from agent.dialog.events import (
    CommitAcknowledged,
    ReplyAudio,
    ReplyAudioEnded,
    ReplyText,
    RequestRefused,
    Transcript,
    TurnCanceled,
    TurnCreated,
    TurnEnded,
    TurnFailed,
)
from agent.dialog.states import Link
from agent.dialog.turn import EndsBy, Kind, Turn

CHAT_ALREADY_RUNNING = 4016
USER_SPEECH = 1


# --- sound and text ---------------------------------------------------------------------------


def audio(core: Core, event: ReplyAudio) -> None:
    core.silent_misses = 0
    if event.chat_id == "":
        turn = _chatless_turn(core, event.t)
    else:
        turn = core.turn if core.claim(event.t, event.chat_id) else None
    if turn is None:
        core.stale_audio += 1
        # A chat that sounds while nobody waits for it is not the answer to a later request.
        if core.turn is None or not core.turn.doubtful:
            core.chats.kill(event.chat_id)
        return
    turn.audio_seen = True
    if turn.first_audio_t is None:
        turn.first_audio_t = event.t
    if not core.playback.active:
        core.server_speech = None
    core.extend(core.playback.play(event.payload, event.ms, event.t))
    if turn.server_ended:
        core.extend(core.playback.finish(event.t))
    if core.state is not State.TOOL:
        core.enter_speaking(event.t)


def _chatless_turn(core: Core, t: float) -> Turn | None:
    """The turn that sound without a chat id belongs to, or ``None`` where nobody wants it."""
    if core.chatless.is_stale(t):
        core.chatless.stale_packet(t)
        return None
    turn = core.turn
    if turn is not None:
        wanted = turn.chatless and turn.sent and not turn.server_ended
        return turn if wanted and core.state is not State.LISTENING else None
    if core.link is not Link.READY:
        return None
    if core.state is State.IDLE or (core.state is State.MUTED and t < core.prologue_until):
        turn = core.begin_turn(t, Kind.PROLOGUE)
        turn.sent = True
        return turn
    return None


def audio_ended(core: Core, event: ReplyAudioEnded) -> None:
    t = event.t
    if event.chat_id == "":
        core.chatless.ended()
        turn = core.turn
        if turn is None or not turn.chatless or not turn.audio_seen or turn.server_ended:
            return
        turn.server_ended = True
        core.play_out(t)
        return
    if not core.claim(t, event.chat_id):
        return
    core.alive(t)
    core.extend(core.playback.finish(t))
    if core.state is State.SPEAKING:
        core.enter_speaking(t)


def text(core: Core, event: ReplyText) -> None:
    if core.claim(event.t, event.chat_id):
        core.alive(event.t)
        if core.turn is not None and event.text:
            core.turn.text_seen = True


def transcript(core: Core, event: Transcript) -> None:
    """An utterance in which nothing was recognised gets no answer: do not wait for one."""
    core.silent_misses = 0
    turn = core.turn
    if turn is None or core.state is not State.THINKING or turn.kind is not Kind.VOICE:
        return
    if not event.final or event.text.strip() or turn.chat_id is not None:
        return
    if core.chats.all_acknowledged:
        core.end_turn(event.t, False, "nothing_heard")
        core.rest(event.t)


# --- the turn ---------------------------------------------------------------------------------


def acknowledged(core: Core, event: CommitAcknowledged) -> None:
    core.silent_misses = 0
    core.chats.commit_acknowledged()


def created(core: Core, event: TurnCreated) -> None:
    t, chat_id = event.t, event.chat_id
    core.silent_misses = 0
    turn = core.turn
    if not chat_id or core.chats.is_dead(chat_id):
        return
    if turn is not None and turn.chat_id == chat_id:
        core.alive(t)
        return
    if turn is not None and turn.awaits_chat and core.state is not State.LISTENING:
        if turn.chat_id is not None:
            core.disown(t, turn)
        if core.adopt(t, turn, chat_id):
            core.alive(t)
    elif core.settings.server_turn and core.uplink_open:
        on_vad.server_turn(core, t, chat_id)
    else:
        core.chats.kill(chat_id)


def ended(core: Core, event: TurnEnded) -> None:
    t = event.t
    if not core.claim(t, event.chat_id):
        return
    turn = core.turn
    if turn is None:
        return
    core.silent_misses = 0
    turn.server_ended = True
    if core.playback.active:
        core.play_out(t)
        return
    answered = turn.text_seen or turn.audio_seen
    core.end_turn(t, answered, "answered" if answered else "empty")
    core.rest(t)


def failed(core: Core, event: TurnFailed) -> None:
    turn = core.turn
    if turn is None or core.state is State.LISTENING:
        return
    if event.chat_id and not core.claim(event.t, event.chat_id):
        return
    if not turn.sent or turn.server_ended:
        return
    core.silent_misses = 0
    core.fail(
        event.t,
        str(event.code) if event.code else "turn_failed",
        f"The platform could not answer: {event.message or 'no reason given'} (code {event.code}).",
        reason="failed",
        cancel=False,
    )


def canceled(core: Core, event: TurnCanceled) -> None:
    t = event.t
    core.silent_misses = 0
    turn = core.turn
    if core.chats.cancel_answered(t, event.code):
        core.chatless.cancel_answered(t)
        if turn is not None and turn.doubtful:
            core.disown(t, turn)
        return
    if turn is None or core.state is State.LISTENING or not turn.sent:
        return
    core.interrupt(t, "server", cancel=False)
    listens = (
        core.settings.server_turn
        and event.code == USER_SPEECH
        and core.server_speech is not False
        and not core.muted
        and core.blocked_until is None
    )
    if listens:
        core.begin_listening(t, EndsBy.SERVER, speech_seen=core.server_speech is True)
    else:
        core.rest(t)


def refused(core: Core, event: RequestRefused) -> None:
    t = event.t
    core.silent_misses = 0
    turn = core.turn
    if turn is None or core.state is not State.THINKING or not turn.sent:
        core.chats.cancel_refused(t)
        return
    if event.code == CHAT_ALREADY_RUNNING and turn.kind is Kind.ASK and not turn.retried:
        turn.retried = True
        core.emit(CancelTurn(), SendQuestion(turn.text))
        core.chats.cancel_sent(t, orphan=False)
        core.deadline = t + core.settings.first_answer_s
        return
    if event.code == CHAT_ALREADY_RUNNING:
        if turn.chatless:
            return  # Speech needs no chat: an earlier question was refused.
    elif turn.chat_id is None and core.chats.cancel_refused(t):
        return
    logid = f", logid {event.logid}" if event.logid else ""
    core.fail(
        t,
        str(event.code) if event.code else "refused",
        f"The platform refused the request: {event.message or 'no reason given'}"
        f" (code {event.code}{logid}).",
        reason="refused",
        cancel=turn.chat_id is not None or event.code == CHAT_ALREADY_RUNNING,
    )
