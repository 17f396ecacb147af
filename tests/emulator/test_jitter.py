from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.jitter import SHAPES, Network, Route, Stall, check_network, read_steps
from agent.errors import ConfigError

EVERY_20_MS = [n * 0.02 for n in range(3000)]


def delays(network: Network, seed: object = 1) -> list[float]:
    """ms that each of 3000 frames, one each 20 ms, is under way."""
    route = Route(network, network.steps(), seed)
    return [(route.arrival(t, 300) - t) * 1000 for t in EVERY_20_MS]


@pytest.mark.parametrize("name", SHAPES)
def test_a_seed_makes_a_trace_repeatable(name: str) -> None:
    network = Network(trace=name)
    assert delays(network, 7) == delays(network, 7)
    assert delays(network, 7) != delays(network, 8)


@pytest.mark.parametrize(
    ("name", "base", "worst"),
    [("wifi", 15, 200), ("wifi_busy", 20, 400), ("4g", 45, 420), ("4g_bad", 45, 1100)],
)
def test_a_trace_has_its_base_and_its_stalls(name: str, base: float, worst: float) -> None:
    found = delays(Network(trace=name))
    assert base <= min(found) < base + 5
    assert median(found) < base + 60
    assert SHAPES[name].stall[0] < max(found) < worst


def test_a_handover_takes_long_once_in_the_first_minute() -> None:
    found = delays(Network(trace="4g_bad"))
    assert max(found) > 500
    assert sum(delay > 500 for delay in found) < 30


def test_what_comes_late_comes_in_a_clump() -> None:
    route = Route(Network(stalls=[Stall(at_s=1.0, ms=500)]), None, 0)
    assert [route.arrival(t, 1) for t in (0.9, 1.0, 1.2, 1.49, 1.6)] == [0.9, 1.5, 1.5, 1.5, 1.6]


def test_a_narrow_network_takes_its_time_for_every_byte() -> None:
    route = Route(Network(rate_kbps=80), None, 0)  # 10 000 bytes a second
    assert [round(route.arrival(0.0, 1000), 6) for _ in range(3)] == [0.1, 0.2, 0.3]
    assert route.arrival(5.0, 1000) == pytest.approx(5.1)


def test_delays_add_up() -> None:
    found = delays(Network(delay_ms=100, jitter_ms=10, trace="wifi"))
    assert 115 <= min(found) < 125


@settings(max_examples=30)
@given(
    st.builds(
        Network,
        delay_ms=st.floats(0, 500),
        jitter_ms=st.floats(0, 500),
        rate_kbps=st.sampled_from([0.0, 24.0, 1000.0]),
        trace=st.sampled_from(["", *SHAPES]),
        stalls=st.lists(st.builds(Stall, st.floats(0, 3), st.floats(0, 900)), max_size=3),
    ),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 5000)), min_size=1, max_size=50),
    st.integers(),
)
def test_nothing_overtakes_and_nothing_comes_before_it_was_sent(
    network: Network, frames: list[tuple[float, int]], seed: int
) -> None:
    route = Route(network, None, seed)
    t = before = 0.0
    for pause, size in frames:
        t += pause
        arrival = route.arrival(t, size)
        assert arrival >= max(t, before)
        before = arrival


def test_a_recorded_trace_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("t_ms, delay_ms\n0,10\n1000,200\n\n2000,30\n", encoding="utf-8")
    assert read_steps(path) == [(0.0, 0.01), (1.0, 0.2), (2.0, 0.03)]
    network = Network(trace="train.csv").beside(tmp_path / "script.toml")
    route = Route(network, network.steps(), 0)
    sent = [0.5, 1.5, 2.5, 3.5, 4.5]
    assert [round((route.arrival(t, 1) - t) * 1000) for t in sent] == [10, 200, 30, 10, 200]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begin with the line t_ms,delay_ms"),
        ("t_ms,delay_ms\n", "is empty"),
        ("t,d\n0,1\n", "begin with the line"),
        ("t_ms,delay_ms\n0\n", "line 2: must be two numbers"),
        ("t_ms,delay_ms\n0,x\n", "line 2: must be two numbers"),
        ("t_ms,delay_ms\n0,1,2\n", "line 2: must be two numbers"),
        ("t_ms,delay_ms\n5,1\n", "line 2: times must begin at 0"),
        ("t_ms,delay_ms\n0,1\n0,1\n", "line 3: times must"),
        ("t_ms,delay_ms\n0,-1\n", "line 2: the delay is out of range"),
        ("t_ms,delay_ms\n0,nan\n", "out of range"),
    ],
)
def test_a_wrong_trace_is_explained(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_steps(path)
    assert words in str(caught.value)


def test_a_trace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the trace"):
        read_steps(tmp_path / "missing.csv")
    with pytest.raises(ConfigError, match=r"network\.trace.*neither a known trace") as caught:
        check_network(Network(trace="wifi_bussy"), "network")
    assert "Did you mean wifi_busy?" in str(caught.value)
