"""Rate conversion: what comes through, what must not, and that blocks do not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.resampler import Resampler, resample

PAIRS = [
    (8000, 16000),
    (11025, 16000),
    (22050, 16000),
    (24000, 16000),
    (32000, 16000),
    (44100, 16000),
    (48000, 16000),
    (24000, 48000),
    (24000, 44100),
    (16000, 48000),
]


def tone(frequency: float, rate: int, seconds: float = 0.5, peak: float = 16000) -> np.ndarray:
    t = np.arange(int(rate * seconds)) / rate
    return np.rint(peak * np.sin(2 * np.pi * frequency * t)).astype(np.int16)


def middle(samples: np.ndarray) -> np.ndarray:
    return samples[len(samples) // 5 : -len(samples) // 5].astype(np.float64)


def gain_db(frequency: float, source: int, target: int) -> float:
    heard = middle(resample(tone(frequency, source), source, target))
    rms = math.sqrt(float(np.mean(heard**2)))
    return 20 * math.log10(max(rms, 1e-3) / (16000 / math.sqrt(2)))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_pass_band_is_flat(source: int, target: int) -> None:
    nyquist = min(source, target) / 2
    for share in (0.02, 0.25, 0.5, 0.75, 0.9):
        assert abs(gain_db(share * nyquist, source, target)) < 0.1


@pytest.mark.parametrize(("source", "target"), [p for p in PAIRS if p[0] > p[1]])
def test_nothing_folds_back(source: int, target: int) -> None:
    for share in (1.005, 1.05, 1.2, 1.35):
        frequency = share * target / 2
        if frequency < source / 2:
            assert gain_db(frequency, source, target) < -60


@pytest.mark.parametrize(("source", "target"), [p for p in PAIRS if p[0] < p[1]])
def test_no_image_appears(source: int, target: int) -> None:
    frequency = 0.8 * source / 2
    heard = middle(resample(tone(frequency, source), source, target))
    spectrum = np.abs(np.fft.rfft(heard * np.blackman(len(heard))))
    bins = np.arange(len(spectrum)) * target / len(heard)
    image = spectrum[bins > source / 2].max()
    assert 20 * math.log10(image / spectrum.max()) < -60


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_tone_keeps_its_frequency_and_place(source: int, target: int) -> None:
    heard = resample(tone(1000, source, 1.0), source, target)
    wanted = tone(1000, target, 1.0)
    assert len(heard) == len(wanted)
    # A shift of one part in a hundred of a sample would show at this level.
    assert np.abs(middle(heard) - middle(wanted)).max() < 16000 * 0.002


@pytest.mark.parametrize(("source", "target"), [*PAIRS, (16000, 16000), (44100, 44099)])
def test_total_length(source: int, target: int) -> None:
    for n in (0, 1, 7, 441, 1000):
        heard = resample(np.ones(n, dtype=np.int16), source, target)
        assert len(heard) == -(-n * target // source)
        assert heard.dtype == np.int16


@settings(max_examples=60, deadline=None)
@given(
    pair=st.sampled_from([*PAIRS, (16000, 16000), (16000, 15999)]),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 1500), max_size=12),
)
def test_blocks_do_not_matter(pair: tuple[int, int], seed: int, cuts: list[int]) -> None:
    source, target = pair
    signal = np.random.default_rng(seed).integers(-32768, 32768, 4000).astype(np.int16)
    whole = resample(signal, source, target)
    resampler = Resampler(source, target)
    pieces, start = [], 0
    for cut in [*cuts, len(signal)]:
        pieces.append(resampler.process(signal[start : start + cut]))
        start = min(len(signal), start + cut)
    pieces.append(resampler.flush())
    assert np.array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_each_call_returns_a_length_that_depends_on_lengths_only(source: int, target: int) -> None:
    quiet, loud = Resampler(source, target), Resampler(source, target)
    noise = np.random.default_rng(5).integers(-32768, 32768, 900).astype(np.int16)
    for n in (320, 1, 0, 900, 17):
        block = noise[:n]
        assert len(quiet.process(np.zeros(n, dtype=np.int16))) == len(loud.process(block))


def test_output_lags_by_the_documented_delay() -> None:
    resampler = Resampler(48000, 16000)
    assert resampler.delay_samples == 126
    got = len(resampler.process(np.zeros(960, dtype=np.int16)))
    assert got == (960 - 126) // 3
    assert len(resampler.process(np.zeros(960, dtype=np.int16))) == 320


@pytest.mark.parametrize(("source", "target"), [(48000, 16000), (44100, 16000), (24000, 48000)])
def test_clips_instead_of_wrapping(source: int, target: int) -> None:
    square = np.where(np.arange(source // 5) // 60 % 2, 32767, -32768).astype(np.int16)
    heard = resample(square, source, target)
    expected = resample((square // 4).astype(np.int16), source, target)
    clear = np.abs(expected) > 1000
    assert np.array_equal(np.sign(heard[clear]), np.sign(expected[clear]))
    assert heard.max() == 32767
    assert heard.min() == -32768


def test_reset_and_flush_begin_a_new_stream() -> None:
    signal = tone(700, 44100, 0.1)
    wanted = resample(signal, 44100, 16000)
    resampler = Resampler(44100, 16000)
    for end in (resampler.reset, resampler.flush):
        resampler.process(signal[:777])
        end()
        again = [resampler.process(signal), resampler.flush()]
        assert np.array_equal(np.concatenate(again), wanted)


def test_equal_rates_copy() -> None:
    signal = tone(440, 16000, 0.02)
    heard = Resampler(16000, 16000).process(signal)
    assert np.array_equal(heard, signal)
    assert not np.shares_memory(heard, signal)


def test_refuses_other_types_and_rates() -> None:
    with pytest.raises(TypeError):
        Resampler(48000, 16000).process(np.zeros(3, dtype=np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Resampler(0, 16000)
