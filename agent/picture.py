"""A picture of a conversation: both channels on one time line, states shaded, latencies marked.

Needs matplotlib (extra ``demo``), imported only when a picture is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import UsageError

COLOURS = {
    "idle": "#f4f4f2",
    "listening": "#cfe6ff",
    "thinking": "#fff0c2",
    "speaking": "#d8f2d0",
    "tool": "#ecd9f7",
    "muted": "#dddddd",
    "blocked": "#ffd0d0",
    "offline": "#ffe3e3",
    "connecting": "#eeeeee",
}
PERSON, BOX = "#1f5fa8", "#2a7d32"
# Points drawn per channel: enough for any screen, little enough to be quick.
COLUMNS = 3000


@dataclass(slots=True)
class Track:
    """Mono int16 ``samples`` at ``rate`` Hz; the first one sounded at ``t0`` (monotonic s)."""

    samples: NDArray[np.int16]
    rate: int
    t0: float


@dataclass(slots=True)
class Conversation:
    """Everything that is drawn. Times are monotonic seconds."""

    person: Track
    box: Track
    states: list[tuple[float, str]] = field(default_factory=list)
    # (end of speech, first sound of the answer)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    heard: list[tuple[float, str]] = field(default_factory=list)
    answered: list[tuple[float, str]] = field(default_factory=list)


def envelope(track: Track, columns: int = COLUMNS) -> tuple[Any, Any, Any]:
    """Times (s), minima and maxima (-1 to 1) of at most ``columns`` slices of a track."""
    n = len(track.samples)
    if n == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    size = max(1, -(-n // columns))
    padded = np.zeros(-(-n // size) * size, dtype=np.float32)
    padded[:n] = track.samples
    slices = padded.reshape(-1, size) / 32768.0
    times = track.t0 + np.arange(len(slices)) * size / track.rate
    return times, slices.min(axis=1), slices.max(axis=1)


def draw(conversation: Conversation, path: Path) -> None:
    """Write the picture as PNG. Raises ``UsageError`` where matplotlib is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise UsageError(
            "the picture needs matplotlib", remedy="Type: pip install 'talkbox[demo]'"
        ) from error

    tracks = [t for t in (conversation.person, conversation.box) if len(t.samples)]
    if not tracks:
        raise UsageError("there is nothing to draw: no sound was recorded")
    start = min(track.t0 for track in tracks)
    end = max(_end(track) for track in tracks)
    width = min(40.0, max(12.0, (end - start) * 0.7))
    figure, axes = pyplot.subplots(2, 1, figsize=(width, 5.6), sharex=True)
    for axis, track, colour, who in (
        (axes[0], conversation.person, PERSON, "microphone"),
        (axes[1], conversation.box, BOX, "speaker"),
    ):
        _shade(axis, conversation.states, start, end)
        times, low, high = envelope(track)
        # Each channel fills its strip; its label says how loud the loudest sample really is.
        peak = max(1 / 32768, float(high.max(initial=0.0)), -float(low.min(initial=0.0)))
        low, high = low / peak, high / peak
        axis.fill_between(times - start, low, high, color=colour, linewidth=0.3, zorder=3)
        axis.set_ylim(-1.05, 1.35)
        axis.set_yticks([])
        axis.set_ylabel(f"{who}\npeak {20 * np.log10(peak):.0f} dBFS")
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    for spoken, first in conversation.latencies:
        for axis in axes:
            axis.axvline(spoken - start, color=PERSON, linestyle=":", linewidth=1, zorder=4)
            axis.axvline(first - start, color=BOX, linestyle=":", linewidth=1, zorder=4)
        axes[0].annotate(
            "",
            xy=(first - start, -0.85),
            xytext=(spoken - start, -0.85),
            arrowprops={"arrowstyle": "<->", "color": "#aa3322", "linewidth": 1.2},
            zorder=5,
        )
        axes[0].text(
            (spoken + first) / 2 - start,
            -0.8,
            f"{(first - spoken) * 1000:.0f} ms",
            color="#aa3322",
            ha="center",
            va="bottom",
            fontsize=9,
            zorder=5,
        )
    for axis, captions in ((axes[0], conversation.heard), (axes[1], conversation.answered)):
        for t, text in captions:
            axis.text(t - start, 1.08, _short(text), fontsize=8, va="bottom", zorder=6)
    axes[1].set_xlabel("seconds")
    axes[1].set_xlim(0, end - start)
    _legend(axes[0], {state for _, state in conversation.states})
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _end(track: Track) -> float:
    return track.t0 + len(track.samples) / track.rate


def _shade(axis: Any, states: list[tuple[float, str]], start: float, end: float) -> None:
    for (t, state), (until, _) in zip(states, [*states[1:], (end, "")], strict=True):
        if until > start and t < end:
            axis.axvspan(
                max(t, start) - start,
                min(until, end) - start,
                color=COLOURS.get(state, "#ffffff"),
                linewidth=0,
                zorder=1,
            )


def _legend(axis: Any, states: set[str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colour, edgecolor="#bbbbbb", label=state)
        for state, colour in COLOURS.items()
        if state in states
    ]
    axis.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.08),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
    )


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
