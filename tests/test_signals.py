"""Signals that come while no loop runs."""

from __future__ import annotations

import signal

import pytest

from agent.signals import Signals, ignore


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_start_is_broken_off_once(signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    with Signals().caught() as signals:
        with pytest.raises(SystemExit):
            signal.raise_signal(signum)
        signal.raise_signal(signum)
    assert signals.ending
    assert signal.getsignal(signum) is before


def test_later_they_are_noted() -> None:
    with Signals().caught() as signals:
        signals.starting = False
        signal.raise_signal(signal.SIGTERM)
        assert signals.ending
        assert not signals.reload


def test_a_reload_is_noted_and_kills_nobody() -> None:
    with Signals().caught() as signals:
        signal.raise_signal(signal.SIGHUP)
        assert signals.reload
        assert not signals.ending


def test_at_the_very_end_nothing_matters() -> None:
    with Signals().caught() as signals:
        ignore()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert not signals.ending
