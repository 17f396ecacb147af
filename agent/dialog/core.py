"""The dialog's memory and its verbs: what every event handler is built from.

Handlers (``on_link``, ``on_reply``, ``on_microphone``, ``on_people``) decide; the verbs here keep
the invariants: only legal transitions, one ``TurnOver`` per turn, an uplink that is opened, then
committed or abandoned, generations that only grow. What follows from the state alone (gate, uplink
of the server modes) is not decided by handlers at all but settled once per event.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.dialog.actions import (
    AbandonUplink,
    Action,
    CancelTurn,
    CommitUplink,
    EnterState,
    Gate,
    Interrupted,
    OpenLink,
    OpenUplink,
    Problem,
    Reconnect,
    SendQuestion,
    SendSpeech,
    State,
    TurnOver,
    Unduck,
)
from agent.dialog.chats import Admission, ChatBook, ChatlessSpeech
from agent.dialog.playback import Playback
from agent.dialog.settings import DialogSettings
from agent.dialog.states import ACTIVE, TRANSITIONS, IllegalTransition, Link
from agent.dialog.turn import EndsBy, Kind, ToolRound, Turn


class Core:
    """All state of one dialog. ``t`` is monotonic seconds throughout."""

    def __init__(self, settings: DialogSettings) -> None:
        self.settings = settings
        self.state = State.OFFLINE
        self.deadline: float | None = None
        """When the present state is given up."""
        self.link = Link.DOWN
        self.link_deadline: float | None = None
        self.muted = False
        self.blocked_until: float | None = None
        self.blocked_reason = ""
        self.turn: Turn | None = None
        self.turns = 0
        self.tools: ToolRound | None = None
        self.playback = Playback()
        self.ducked = False
        self.chats = ChatBook()
        self.chatless = ChatlessSpeech()
        self.prologue_until = float("-inf")
        self.stale_audio = 0
        self.uplink_open = False
        self.gate_open = True
        self.guard_until: float | None = None
        self.in_speech = False
        self.server_speech: bool | None = None
        """Server VAD since the answer began: speech, no speech, or nothing said yet."""
        self.idle_since = 0.0
        self.silent_misses = 0
        self._actions: list[Action] = []

    # --- actions ------------------------------------------------------------------------------

    def emit(self, *actions: Action) -> None:
        self._actions.extend(actions)

    def extend(self, actions: Iterable[Action]) -> None:
        self._actions.extend(actions)

    def take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    # --- states -------------------------------------------------------------------------------

    def enter(self, t: float, state: State, deadline: float | None = None) -> None:
        """Go to ``state``, to be given up at ``deadline``. Raises ``IllegalTransition``."""
        self.deadline = deadline
        if state is self.state:
            return
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(self.state, state)
        self.state = state
        if state is State.IDLE:
            self.idle_since = t
        self.emit(EnterState(t, state))

    @property
    def resting(self) -> bool:
        return self.state not in ACTIVE

    def rest(self, t: float) -> None:
        """Go to the state of a device with nothing to do."""
        if self.muted:
            state = State.MUTED
        elif self.blocked_until is not None:
            state = State.BLOCKED
        elif self.link is Link.DOWN:
            state = State.OFFLINE
        elif self.link is Link.CONNECTING:
            state = State.CONNECTING
        else:
            state = State.IDLE
        self.enter(t, state)

    # --- the turn -----------------------------------------------------------------------------

    def begin_turn(self, t: float, kind: Kind, text: str = "") -> Turn:
        self.turn = Turn(kind, t, text=text)
        if kind is not Kind.PROLOGUE:
            self.turns += 1
        return self.turn

    def end_turn(self, t: float, answered: bool, reason: str) -> None:
        """The one place a turn ends; the state is left to the caller."""
        turn = self.turn
        if turn is None:
            return
        self.turn = None
        self.tools = None
        if turn.chat_id is not None:
            self.chats.kill(turn.chat_id)
        if self.uplink_open and not self.settings.server_turn:
            self.abandon_uplink()
        if turn.kind is Kind.PROLOGUE:
            self.prologue_until = float("-inf")
        else:
            self.emit(TurnOver(t, answered, reason))

    def drop_turn(
        self,
        t: float,
        reason: str,
        *,
        by: str = "",
        cancel: bool = True,
        replaced: bool = False,
    ) -> None:
        """Give up the running turn, silence first. ``by`` names who interrupted it, if anybody.

        ``cancel`` tells the server; with ``replaced`` a question follows that makes the server
        cancel by itself.
        """
        turn = self.turn
        if turn is None:
            return
        if self.state is not State.LISTENING:
            if by or self.playback.active:
                self.cut(t)
            if turn.sent and not turn.server_ended and self.link is Link.READY:
                if turn.chatless:
                    self.chatless.cut(t)
                if cancel:
                    explicit = turn.chatless or not replaced
                    if explicit:
                        self.emit(CancelTurn())
                    self.chats.cancel_sent(t, orphan=turn.awaits_chat, explicit=explicit)
            if by:
                self.emit(Interrupted(t, by))
        self.end_turn(t, False, reason)

    def interrupt(self, t: float, by: str, *, cancel: bool = True, replaced: bool = False) -> None:
        self.drop_turn(t, "interrupted", by=by, cancel=cancel, replaced=replaced)

    def fail(
        self,
        t: float,
        code: str,
        message: str,
        *,
        remedy: str = "",
        reason: str = "",
        cancel: bool = True,
    ) -> None:
        """The running turn cannot be finished: say so, drop it, rest."""
        self.emit(Problem(t, code, message, remedy))
        self.drop_turn(t, reason or code, cancel=cancel)
        self.rest(t)

    # --- the utterance ------------------------------------------------------------------------

    def begin_listening(self, t: float, ends_by: EndsBy, *, speech_seen: bool) -> Turn:
        """A new turn begins with an utterance; whatever ran before has been ended."""
        own_voice = self.settings.half_duplex and not self.gate_open
        self.guard_until = None
        turn = self.begin_turn(t, Kind.VOICE)
        turn.ends_by = ends_by
        turn.speech_seen = speech_seen
        if not self.settings.server_turn:
            self.wake_link(t)
            # Behind a closed gate the pre-roll holds the answer just cut, not the person.
            self.open_uplink(preroll=not own_voice)
        self.enter(t, State.LISTENING, self.listening_deadline(t, turn))
        return turn

    def listening_deadline(self, t: float, turn: Turn) -> float:
        s = self.settings
        if not turn.speech_seen:
            return t + s.no_speech_s
        if turn.ends_by is EndsBy.RELEASE:
            return t + s.max_utterance_s
        return t + s.max_utterance_s + s.utterance_grace_s

    def open_uplink(self, *, preroll: bool) -> None:
        self.uplink_open = True
        self.emit(OpenUplink(preroll))

    def abandon_uplink(self) -> None:
        self.uplink_open = False
        self.in_speech = False
        self.emit(AbandonUplink())

    def commit(self, t: float) -> None:
        """The utterance is over; without a link the commit waits for one, for a time."""
        turn = self.turn
        if turn is None:
            return
        if self.link is not Link.READY:
            turn.commit_pending = True
            if turn.pending_until is None:
                turn.pending_until = t + self.settings.connecting_s
            self.enter(t, State.LISTENING, turn.pending_until)
            return
        turn.commit_pending = False
        turn.sent = True
        turn.request_t = t
        self.uplink_open = False
        self.emit(CommitUplink())
        self.chats.commit_sent()
        self.enter(t, State.THINKING, t + self.settings.first_answer_s)

    # --- requests without a microphone --------------------------------------------------------

    def wake_link(self, t: float) -> None:
        """Connect again where we had closed the link ourselves."""
        if self.link is Link.DORMANT:
            self.link = Link.CONNECTING
            self.link_deadline = t + self.settings.connecting_s
            self.emit(OpenLink())

    def request(self, t: float, kind: Kind, text: str) -> None:
        """Send a question or a text to speak, or keep it until the link is there."""
        turn = self.begin_turn(t, kind, text)
        self.wake_link(t)
        if self.link is Link.READY:
            self.send_request(t, turn)
        else:
            self.enter(t, State.THINKING, t + self.settings.connecting_s)

    def send_request(self, t: float, turn: Turn) -> None:
        turn.sent = True
        turn.request_t = t
        if turn.kind is Kind.SAY:
            self.chatless.ordered(t)
            self.emit(SendSpeech(turn.text))
        else:
            self.emit(SendQuestion(turn.text))
            self.chats.request_sent()
        self.enter(t, State.THINKING, t + self.settings.first_answer_s)

    # --- the chat -----------------------------------------------------------------------------

    def claim(self, t: float, chat_id: str) -> bool:
        """Whether something of ``chat_id`` belongs to the running turn; adopts an unknown id where
        the turn waits for one."""
        turn = self.turn
        if turn is None or not chat_id or self.chats.is_dead(chat_id):
            return False
        if turn.chat_id == chat_id:
            return True
        if turn.chat_id is not None or self.state is not State.THINKING or not turn.awaits_chat:
            return False
        return self.adopt(t, turn, chat_id)

    def adopt(self, t: float, turn: Turn, chat_id: str) -> bool:
        """Take a new chat as the answer of ``turn``, or mark it dead as a leftover."""
        admission = self.chats.admission(t)
        if admission is Admission.NO:
            self.chats.kill(chat_id)
            return False
        turn.doubtful = admission is Admission.DOUBTFUL
        turn.chat_id = chat_id
        if not turn.doubtful:
            self.chats.chat_begun()
        return True

    def disown(self, t: float, turn: Turn) -> None:
        """The chat taken in doubt was a leftover; the turn waits for its own."""
        if turn.chat_id is not None:
            self.chats.kill(turn.chat_id)
        turn.chat_id = None
        turn.doubtful = False
        turn.text_seen = turn.audio_seen = turn.reported = False
        turn.first_audio_t = None
        self.tools = None
        if self.playback.active:
            self.cut(t)
        self.enter(t, State.THINKING, t + self.settings.first_answer_s)

    # --- the speaker --------------------------------------------------------------------------

    def cut(self, t: float) -> None:
        sounding = self.playback.active
        self.extend(self.playback.cut())
        self.quiet(t, sounding)

    def quiet(self, t: float, sounding: bool = True) -> None:
        """The speaker fell silent: drained, or cut while ``sounding``."""
        if self.ducked:
            self.ducked = False
            self.emit(Unduck())
        if sounding and self.settings.half_duplex and self.settings.echo_guard_s > 0:
            self.guard_until = t + self.settings.echo_guard_s

    def enter_speaking(self, t: float) -> None:
        self.enter(t, State.SPEAKING, self.playback.stall_deadline(self.settings.speaking_stall_s))

    def alive(self, t: float) -> None:
        """An event of the running turn arrived: it may take its time for the next one."""
        self.silent_misses = 0
        if self.state is State.THINKING:
            self.deadline = self.answer_deadline(t)

    def answer_deadline(self, t: float) -> float:
        """Between two events of a thinking turn; a filler may sound meanwhile."""
        return max(t, self.playback.estimated_end) + self.settings.answer_gap_s

    def play_out(self, t: float) -> None:
        """Nothing more will come: let what is there be heard."""
        self.extend(self.playback.finish(t))
        self.enter_speaking(t)

    # --- the link -----------------------------------------------------------------------------

    def reconnect(self, t: float, reason: str) -> None:
        self.emit(Reconnect(reason))
        self.lose_link(t)
        self.link = Link.DOWN
        self.link_deadline = None

    def lose_link(self, t: float) -> None:
        """What the old session knew is gone; the caller deals with the running turn."""
        self.chats.new_link()
        self.chatless.reset()
        self.prologue_until = float("-inf")

    # --- what follows from the state ----------------------------------------------------------

    def settle(self, t: float) -> None:
        """Bring the gate, and in the server modes the uplink, in line with the state."""
        if self.guard_until is not None and t >= self.guard_until:
            self.guard_until = None
        deaf = self.settings.half_duplex and (self.playback.active or self.guard_until is not None)
        if self.gate_open is deaf:
            self.gate_open = not deaf
            if deaf:
                self.in_speech = False
            self.emit(Gate(self.gate_open))
        if self.settings.server_turn:
            wanted = self._server_hears(deaf)
            if wanted and not self.uplink_open:
                self.open_uplink(preroll=False)
            elif not wanted and self.uplink_open:
                self.abandon_uplink()

    def _server_hears(self, deaf: bool) -> bool:
        if self.muted or self.blocked_until is not None or deaf:
            return False
        if self.link is not Link.READY:
            return self.uplink_open and self.state is State.LISTENING
        return self.state is State.IDLE or self.state in ACTIVE
