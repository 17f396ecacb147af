"""Which of the platform's chats are ours, dead, or leftovers of a cancelled request.

A request and the chat that answers it share no id on the wire. After a cancel that was sent before
the chat's id was known, the next chat to appear may be the cancelled one. Three things tell: the
server handles messages in order, it acknowledges every commit, and it usually answers a cancel.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

DEAD_CHATS = 32
ORPHAN_S = 3.0
"""How long after a cancel a leftover chat may appear."""
CANCEL_ACK_S = 10.0
"""How long a cancel may stay unanswered and its answer still be known as ours."""


class Admission(Enum):
    """Whether a chat appearing now answers the running request."""

    YES = auto()
    DOUBTFUL = auto()
    NO = auto()


@dataclass(slots=True, eq=False)
class _Cancel:
    t: float
    orphan: bool
    explicit: bool
    commits: int
    commit_since: bool = False
    request_since: bool = False


class ChatBook:
    """Dead chat ids (the last 32), commits and their acknowledgements, cancels not yet answered."""

    def __init__(self) -> None:
        self._dead: deque[str] = deque(maxlen=DEAD_CHATS)
        self._cancels: deque[_Cancel] = deque(maxlen=DEAD_CHATS)
        self._commits = 0
        self._acknowledged = 0
        self._acknowledges = False

    def new_link(self) -> None:
        """Nothing pending survives its connection; dead ids do, the conversation goes on."""
        self._cancels.clear()
        self._commits = 0
        self._acknowledged = 0
        self._acknowledges = False

    def kill(self, chat_id: str) -> None:
        """Nothing of this chat is wanted any more."""
        if chat_id and chat_id not in self._dead:
            self._dead.append(chat_id)

    def is_dead(self, chat_id: str) -> bool:
        return chat_id in self._dead

    def commit_sent(self) -> None:
        self._commits += 1
        for cancel in self._cancels:
            cancel.commit_since = True

    def request_sent(self) -> None:
        """A question, or an utterance that only the server delimits: neither is acknowledged."""
        for cancel in self._cancels:
            cancel.request_since = True

    def commit_acknowledged(self) -> None:
        """The server reached a commit, so it has handled every cancel sent before that one."""
        self._acknowledges = True
        self._acknowledged = min(self._acknowledged + 1, self._commits)
        for cancel in self._cancels:
            if self._acknowledged > cancel.commits:
                cancel.orphan = False

    @property
    def all_acknowledged(self) -> bool:
        """No commit is outstanding, as far as this server acknowledges at all."""
        return not self._acknowledges or self._acknowledged == self._commits

    def cancel_sent(self, t: float, *, orphan: bool, explicit: bool = True) -> None:
        """A cancel went out, or (not ``explicit``) a question that replaces the running turn.

        ``orphan``: the cancelled request's chat has not appeared yet.
        """
        self._cancels.append(_Cancel(t, orphan, explicit, self._commits))

    def cancel_answered(self, t: float, code: int) -> bool:
        """Whether this ``canceled`` answers a cancel of ours; code 1 (user speech) never does."""
        self._forget_old(t)
        if code == 1 or not self._cancels:
            return False
        self._cancels.popleft()
        return True

    def cancel_refused(self, t: float) -> bool:
        """Whether an ``error`` frame is likely the answer to a cancel of ours (nothing ran)."""
        self._forget_old(t)
        for cancel in self._cancels:
            if cancel.explicit and t - cancel.t < ORPHAN_S:
                self._cancels.remove(cancel)
                return True
        return False

    def admission(self, t: float) -> Admission:
        """How to take an unknown chat that appears at ``t`` while a request waits for one."""
        verdict = Admission.YES
        for cancel in self._cancels:
            if not cancel.orphan or t - cancel.t >= ORPHAN_S:
                continue
            told_by_commit = cancel.commit_since and self._acknowledges
            if cancel.request_since or (cancel.commit_since and not told_by_commit):
                verdict = Admission.DOUBTFUL
            else:
                return Admission.NO
        return verdict

    def chat_begun(self) -> None:
        """A chat was accepted without doubt: every commit so far has been handled."""
        self._acknowledged = self._commits

    def _forget_old(self, t: float) -> None:
        while self._cancels and t - self._cancels[0].t >= CANCEL_ACK_S:
            self._cancels.popleft()


class ChatlessSpeech:
    """Sound without a chat id cannot be told apart by id: after a cut, time and ends tell it.

    Sound of a cut speech is dropped until its end or the answer to our cancel arrives; without
    either until ``QUIET_S`` after its last packet, or, once new speech was ordered, ``OVERLAP_S``
    after that (late packets arrive within a round trip, a synthesiser needs longer to begin).
    """

    CUT_S = 5.0
    QUIET_S = 2.0
    AFTER_ANSWER_S = 1.0
    OVERLAP_S = 0.3

    def __init__(self) -> None:
        self._stale_until = float("-inf")
        self._ordered = False

    def reset(self) -> None:
        self._stale_until = float("-inf")
        self._ordered = False

    def cut(self, t: float) -> None:
        """Speech that had not ended yet was cut."""
        self._stale_until = t + self.CUT_S
        self._ordered = False

    def ordered(self, t: float) -> None:
        """New speech was ordered."""
        self._stale_until = min(self._stale_until, t + self.OVERLAP_S)
        self._ordered = True

    def is_stale(self, t: float) -> bool:
        return t < self._stale_until

    def stale_packet(self, t: float) -> None:
        """A packet of the cut speech was dropped."""
        if not self._ordered:
            self._stale_until = max(self._stale_until, t + self.QUIET_S)

    def ended(self) -> None:
        """An end arrived; what follows it is other speech."""
        self._stale_until = float("-inf")

    def cancel_answered(self, t: float) -> None:
        """The server handled our cancel; a few packets may still follow it."""
        if self.is_stale(t):
            self._stale_until = t if self._ordered else t + self.AFTER_ANSWER_S
