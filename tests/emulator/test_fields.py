from typing import Any

import pytest

from agent.emulator import fields
from agent.emulator.fields import Check, Refusal


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (fields.text(3), ["", "abc"], ["abcd", 1, None]),
        (fields.flag, [True, False], [0, "true", None]),
        (fields.one_of(1, 2), [1, 2], [3, 2.0, True, "1", [], {}]),
        (fields.one_of(2.5, 5), [2.5, 5, 5.0], [3, True, "5"]),
        (fields.whole(0, 5), [0, 5], [-1, 6, 1.0, True, "1"]),
        (fields.real(0, 1), [0, 0.5, 1], [-0.1, float("nan"), float("inf"), True, "1"]),
        (fields.texts, [[], ["a"]], ["a", [1], None]),
        (fields.pairs(most=1, key=1, value=1), [{}, {"a": "b"}], [[], {"ab": "c"}, {"a": ""}]),
        (fields.mapping, [{}, {"a": 1}], [[], None, "x"]),
    ],
)
def test_what_passes_and_what_does_not(check: Check, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        check("a.b", value)
    for value in bad:
        with pytest.raises(Refusal, match=r"a\.b") as caught:
            check("a.b", value)
        assert caught.value.code == 4000
