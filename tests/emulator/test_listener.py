from typing import Any

import numpy as np
import pytest

from agent.emulator.config import default_config, merge
from agent.emulator.fields import Refusal
from agent.emulator.listener import LONGEST_S, Heard, Listener, Paused, Started, Stopped
from tests.emulator.doubles import PCM_IN, Samples, silence, tone


def listener(type: str = "server_vad", **detection: Any) -> Listener:
    config = merge(
        default_config(), {"input_audio": PCM_IN, "turn_detection": {"type": type, **detection}}
    )
    return Listener(config, vad="energy")


def heard(ear: Listener, samples: Samples, piece: int = 960) -> list[tuple[int, Heard]]:
    """What is heard, with the audio time in ms at which it is told."""
    found = []
    for at in range(0, len(samples), piece):
        for events in ear.feed(samples[at : at + piece].tobytes()):
            found += [(min(at + piece, len(samples)) // 16, event) for event in events]
    return found


def test_silence_is_no_speech() -> None:
    assert heard(listener(), silence(3000)) == []


@pytest.mark.parametrize("silence_ms", [200, 500, 1200])
def test_speech_stops_after_so_much_silence_in_the_audio(silence_ms: int) -> None:
    ear = listener(silence_duration_ms=silence_ms)
    audio = np.concatenate([silence(400), tone(600), silence(silence_ms + 200)])
    times = {type(event): at for at, event in heard(ear, audio, piece=320)}
    assert times[Started] == pytest.approx(400 + 140, abs=20)
    assert times[Stopped] == pytest.approx(1000 + silence_ms, abs=20)


def test_it_does_not_stop_while_nothing_is_sent() -> None:
    ear = listener()
    assert [type(event) for _, event in heard(ear, tone(500))] == [Started]


def test_the_utterance_has_its_prefix_and_all_of_its_speech() -> None:
    ear = listener(prefix_padding_ms=300)
    audio = np.concatenate([silence(1000), tone(700), silence(600)])
    [utterance] = [event for _, event in heard(ear, audio) if isinstance(event, Stopped)]
    loud = np.flatnonzero(np.abs(utterance.samples) > 100)
    assert loud[0] == pytest.approx(300 * 16, abs=320)
    assert loud[-1] - loud[0] == pytest.approx(700 * 16, abs=320)


def test_a_pause_offers_the_words_so_far_once() -> None:
    audio = np.concatenate([tone(600), silence(300), tone(600), silence(600)])
    found = [event for _, event in heard(listener(), audio)]
    assert [type(event) for event in found] == [Started, Paused, Paused, Stopped]
    assert isinstance(found[-1], Stopped)
    assert not found[-1].fresh


def test_with_keywords_the_words_are_looked_at_while_somebody_speaks() -> None:
    ear = listener(interrupt_config={"mode": "keyword_contains", "keywords": ["stop now"]})
    found = [type(event) for _, event in heard(ear, tone(3300))]
    assert found == [Started, Paused, Paused, Paused]


def test_one_piece_or_many_make_no_difference() -> None:
    audio = np.concatenate([silence(100), tone(500), silence(700), tone(900), silence(700)])
    pieces = [type(event) for _, event in heard(listener(), audio, piece=100)]
    assert pieces == [type(event) for _, event in heard(listener(), audio, piece=len(audio))]
    assert pieces.count(Stopped) == 2


def test_semantic_detection_ends_sooner() -> None:
    audio = np.concatenate([tone(600), silence(400)])
    found = [type(event) for _, event in heard(listener("semantic_vad"), audio)]
    assert found[-1] is Stopped


def test_the_client_decides() -> None:
    ear = listener("client_interrupt")
    assert heard(ear, np.concatenate([tone(500), silence(2000)])) == []
    assert len(ear.complete()) == 2500 * 16
    assert len(ear.complete()) == 0
    heard(ear, tone(100))
    ear.clear()
    assert len(ear.complete()) == 0


def test_an_endless_utterance_is_refused_in_the_end() -> None:
    ear = listener("client_interrupt")
    block = silence(60_000)
    with pytest.raises(Refusal, match="without a complete"):
        for _ in range(LONGEST_S // 60 + 1):
            heard(ear, block, piece=len(block))


def test_webrtc_takes_no_hiss_for_speech() -> None:
    config = merge(
        default_config(), {"input_audio": PCM_IN, "turn_detection": {"type": "server_vad"}}
    )
    ear = Listener(config)
    hiss = np.random.default_rng(1).normal(0, 30, 32000).astype(np.int16)
    assert heard(ear, hiss) == []
