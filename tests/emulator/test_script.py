from pathlib import Path

import pytest

from agent.emulator.script import Prompter, Script, ScriptedAnswer, load_script
from agent.errors import ConfigError

EXAMPLES = Path(__file__).parents[2] / "examples" / "scripts"


def loaded(tmp_path: Path, text: str) -> Script:
    path = tmp_path / "script.toml"
    path.write_text(text, encoding="utf-8")
    return load_script(path)


def test_a_whole_script(tmp_path: Path) -> None:
    script = loaded(
        tmp_path,
        """
        [[answer]]
        when = "weather"
        nth = 2
        text = "Rain."
        think_ms = 5
        [[answer]]
        tools = [{ name = "set_volume", arguments = { percent = 40 } }]
        then = "Done."
        audio = "tone"
        [[answer]]
        fail = { code = 4011, msg = "balance not enough" }
        [timing]
        speed = 4
        [switches]
        late_deltas = 3
        [tokens]
        accounts = { a = "anna" }
        [bot]
        prologue = "Hi."
        """,
    )
    assert script.answer[0] == ScriptedAnswer("weather", 2, "Rain.", 5.0)
    assert script.answer[1].tools[0].arguments == {"percent": 40}
    assert script.answer[2].fail is not None
    assert script.timing.speed == 4.0
    assert script.switches.late_deltas == 3
    assert script.tokens.policy().accounts == {"a": "anna"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[answr]]", ["script.toml", "answr", "Did you mean answer?"]),
        ("[[answer]]\ntxt = 'x'", ["answer[0].txt", "Did you mean text?"]),
        ("[timing]\nspede = 1", ["timing.spede", "Did you mean speed?"]),
        ("[timing]\nspeed = 0", ["timing.speed", "above zero"]),
        ("[timing]\nspeed = nan", ["timing.speed"]),
        ("[timing]\nspeed = 'fast'", ["timing.speed", "a number"]),
        ("[switches]\nvad = 'x'", ["switches.vad", "webrtc, energy"]),
        ("[switches]\nlate_deltas = 6", ["late_deltas", "at most 5"]),
        ("[switches]\nlate_deltas = true", ["late_deltas", "whole number"]),
        ("[switches]\nnoisy_cancel = 1", ["noisy_cancel", "true or false"]),
        ("answer = 1", ["answer must be a list"]),
        ("timing = 1", ["timing must be a table"]),
        ("[[answer]]\nwhen = '*'", ["answer[0]", "says nothing"]),
        ("[[answer]]\nwhen = '('\ntext = 'x'", ["answer[0].when", "regular expression"]),
        ("[[answer]]\ntext = 'x'\nthen = 'y'", ["answer[0].then"]),
        ("[[answer]]\ntools = [{}]", ["answer[0].tools", "name"]),
        ("[[answer]]\ntools = [{nme = 'x'}]", ["answer[0].tools[0].nme", "name?"]),
        ("x = ", ["not valid TOML"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the script .*nothing\.toml"):
        load_script(tmp_path / "nothing.toml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_script(tmp_path / "x")


def test_the_first_that_fits_answers() -> None:
    prompter = Prompter(
        [
            ScriptedAnswer("weather", text="first", nth=1),
            ScriptedAnswer("WEATHER", text="any"),
            ScriptedAnswer("*", text="third", nth=3),
        ]
    )
    said = [prompter.find(question) for question in ("Weather?", "the weather", "x", "y")]
    assert [answer and answer.text for answer in said] == ["first", "any", "third", None]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_right(path: Path) -> None:
    load_script(path)


def test_there_are_examples() -> None:
    assert len(list(EXAMPLES.glob("*.toml"))) >= 3
