"""What the engine knows of the speaker: generation, whether it sounds, when it should be over."""

from __future__ import annotations

from agent.dialog.actions import Action, BeginPlayback, CutPlayback, FinishPlayback, Play

HELD_PACKETS = 2000
"""Packets kept for after a drain: two minutes of 60 ms packets."""


class Playback:
    """Bookkeeping of one speaker. Methods return the actions to carry out.

    ``active`` is true from the first packet until the drain report or a cut. Sound that comes after
    ``finish`` (a platform that ends the filler before a tool call, or the turn before its sound)
    is held until the drain and then played as the next generation: the speaker cannot take back
    that a generation is complete.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.active = False
        self.finished = False
        self.estimated_end = 0.0
        self.last_event = 0.0
        self.held_dropped = 0
        self._held: list[bytes] = []
        self._held_finished = False

    def play(self, payload: bytes, ms: float, t: float) -> list[Action]:
        """Queue one packet of ``ms`` milliseconds; begins a generation where none sounds."""
        actions: list[Action] = []
        if not self.active:
            self.generation += 1
            self.active = True
            self.finished = False
            self.estimated_end = t
            actions.append(BeginPlayback(self.generation))
        self.estimated_end = max(self.estimated_end, t) + max(ms, 0.0) / 1000.0
        self.last_event = t
        if not self.finished:
            actions.append(Play(self.generation, payload))
        elif len(self._held) < HELD_PACKETS:
            self._held.append(payload)
            self._held_finished = False
        else:
            self.held_dropped += 1
        return actions

    def finish(self, t: float) -> list[Action]:
        """No more packets will come; harmless to repeat."""
        if not self.active:
            return []
        self.last_event = t
        if self.finished:
            self._held_finished = bool(self._held)
            return []
        self.finished = True
        return [FinishPlayback(self.generation)]

    def drained(self, generation: int) -> tuple[bool, list[Action]]:
        """The DAC reports the end of ``generation``: (whether the answer is over, actions)."""
        if not self.active or not self.finished or generation != self.generation:
            return False, []
        if not self._held:
            self.active = False
            return True, []
        self.generation += 1
        actions: list[Action] = [BeginPlayback(self.generation)]
        actions += [Play(self.generation, payload) for payload in self._held]
        self.finished = self._held_finished
        if self.finished:
            actions.append(FinishPlayback(self.generation))
        self._forget_held()
        return False, actions

    def cut(self) -> list[Action]:
        """Silence now; everything queued belongs to an older generation from here on."""
        self.generation += 1
        self.active = False
        self.finished = False
        self._forget_held()
        return [CutPlayback(self.generation)]

    def stall_deadline(self, stall_s: float) -> float:
        """When to stop waiting: ``stall_s`` after everything received should have been heard."""
        return max(self.last_event, self.estimated_end) + stall_s

    def _forget_held(self) -> None:
        self._held = []
        self._held_finished = False
