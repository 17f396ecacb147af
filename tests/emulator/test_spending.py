from pathlib import Path
from typing import Any

import pytest

from agent.emulator.limitations import POINTS, Limitation
from agent.emulator.meter import Meter
from agent.emulator.service import Service
from agent.emulator.spending import Spending
from agent.emulator.tokens import Grant
from tests.emulator.doubles import DoubleBrain, fast_script

NOW = 1_770_000_000.0


@pytest.fixture
def service(tmp_path: Path) -> Any:
    found = Service(DoubleBrain(), fast_script())
    found.now = lambda: NOW
    yield found
    found.worker.close()
    found.store.close()


def spend(meter: Meter, device_id: str, tokens: int) -> None:
    gauge = meter.open(Grant("t", "default", device_id=device_id), "1", "7")
    gauge.thought(tokens, 0)
    gauge.close()


def test_turns_of_a_device_are_summed_up(service: Service) -> None:
    spending = Spending(service.store, service.meter)
    assert spending.rows() == []
    spend(service.meter, "d1", 100)
    spend(service.meter, "d1", 50)
    spend(service.meter, "", 7)
    rows = {row["device"]: row for row in spending.rows()}
    assert rows["d1"]["tokens"] == 150
    assert rows["d1"]["points"] == pytest.approx(
        150 * service.script.plan.points_per_1000_tokens / 1000, abs=0.002
    )
    assert rows[""]["tokens"] == 7
    assert rows["d1"]["limits"] == []


def test_limits_that_hold_are_shown_until_their_period_ends(service: Service) -> None:
    spending = Spending(service.store, service.meter)
    spend(service.meter, "d1", 100_000)
    assert spending.rows()[0]["limits"] == []
    rule = Limitation("9", "single_device", "d1", POINTS, 3, int(NOW) - 10, trigger_unit="minute")
    service.meter.quotas.put(service.meter.tenant("default"), rule)
    [limit] = spending.rows()[0]["limits"]
    assert limit["used"] == spending.rows()[0]["points"]
    assert (limit["limit"], limit["unit"], limit["resets_at"]) == (3, "points", NOW + 50)
    service.now = lambda: NOW + 51
    assert spending.rows()[0]["limits"][0]["used"] == 0
