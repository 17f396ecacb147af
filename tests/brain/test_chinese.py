from __future__ import annotations

from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.answer import Memory, ToolRequest
from agent.emulator.brain.chinese import answer, is_chinese
from agent.emulator.brain.hanzi import spoken
from agent.emulator.brain.phrases import CHINESE_JOKES

NOW = datetime(2026, 11, 22, 15, 7)
COMMA, COLON, ASK = "\uff0c", "\uff1a", "\uff1f"


def said(text: str, memory: Memory | None = None, now: datetime = NOW) -> str:
    reply = answer(text, {} if memory is None else memory, now, Random(1))
    assert reply.tool is None
    return reply.text


@pytest.mark.parametrize(
    "text", ["现在几点", f"现在几点了{ASK}", "请问现在几点?", "现在是什么时间", "几点了"]
)
def test_time(text: str) -> None:
    assert said(text) == "现在是下午三点零七分。"


@pytest.mark.parametrize(
    ("hour", "minute", "text"),
    [
        (0, 0, "凌晨十二点整"),
        (2, 15, "凌晨两点十五分"),
        (9, 30, "上午九点三十分"),
        (12, 5, "中午十二点零五分"),
        (14, 0, "下午两点整"),
        (22, 40, "晚上十点四十分"),
    ],
)
def test_clock(hour: int, minute: int, text: str) -> None:
    assert said("现在几点", now=datetime(2026, 1, 1, hour, minute)) == f"现在是{text}。"


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("今天星期几", f"今天是十一月二十二号{COMMA}星期日。"),
        (f"今天几号{ASK}", f"今天是十一月二十二号{COMMA}星期日。"),
        ("明天星期几", f"明天是十一月二十三号{COMMA}星期一。"),
        ("昨天是星期几", f"昨天是十一月二十一号{COMMA}星期六。"),
        ("今年是哪一年", "今年是2026年。"),
    ],
)
def test_calendar(text: str, reply: str) -> None:
    assert said(text) == reply


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("七乘八", "7乘8等于56。"),
        (f"七乘以八等于多少{ASK}", "7乘8等于56。"),
        ("7乘8=?", "7乘8等于56。"),
        ("请问十二加三十是多少", "12加30等于42。"),
        ("一百除以四", "100除以4等于25。"),
        ("四除一百", "100除以4等于25。"),
        ("十减十五", "10减15等于-5。"),
        ("负三乘四", "-3乘4等于-12。"),
        ("十除以三等于几", "10除以3等于约3.33。"),
        ("二加三乘四", "2加3乘4等于14。"),
        ("三点五乘二", "3.5乘2等于7。"),
    ],
)
def test_sums(text: str, reply: str) -> None:
    assert said(text) == reply


def test_division_by_zero() -> None:
    assert "零" in said("五除以零")


@given(st.integers(0, 100), st.integers(0, 100))
@settings(max_examples=60)
def test_sums_in_characters(a: int, b: int) -> None:
    assert said(f"{spoken(a)}加{spoken(b)}等于多少") == f"{a}加{b}等于{a + b}。"


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("把音量调到四十", {"percent": 40}),
        ("音量调到40%", {"percent": 40}),
        ("把音量调到百分之四十", {"percent": 40}),
        ("请把音量设为一百", {"percent": 100}),
        ("音量最大", {"percent": 100}),
        ("静音", {"percent": 0}),
        ("声音大一点", {"delta": 10}),
        ("大声点", {"delta": 10}),
        ("把音量调高", {"delta": 10}),
        ("小声点", {"delta": -10}),
        ("声音小一点", {"delta": -10}),
        ("音量多大", {"delta": 0}),
    ],
)
def test_volume(text: str, arguments: dict[str, int]) -> None:
    assert answer(text, {}, NOW, Random(1)).tool == ToolRequest("set_volume", arguments)


def test_volume_beyond_the_scale_needs_no_tool() -> None:
    assert said("音量调到一百五十") == "音量只能从零到一百。"


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("跟我说你好世界", "你好世界"),
        (f"跟我说{COLON}一二三", "一二三"),
        ("请跟我说:现在几点", "现在几点"),
        ("跟我说", f"要我重复什么{ASK}"),
        ("谢谢", "不客气。"),
        ("停", "好的。"),
        ("再说一遍", "我还没有说过话。"),
    ],
)
def test_repeat_and_small_talk(text: str, reply: str) -> None:
    assert said(text) == reply


def test_jokes_do_not_repeat_at_once() -> None:
    memory: Memory = {}
    told = [said("讲个笑话", memory) for _ in CHINESE_JOKES]
    assert set(told) == set(CHINESE_JOKES)


def test_device() -> None:
    assert answer("你是谁", {}, NOW, Random(1)).tool == ToolRequest("get_device_info")


def test_the_unknown_is_quoted_and_admitted() -> None:
    reply = said(f"莎士比亚是谁{ASK}")
    assert reply.startswith(f"我听到{COLON}莎士比亚是谁{ASK}我只是模拟器")


@given(st.text(alphabet="七八乘加音量调到四十几点跟我说你好,。?! 0123", min_size=1, max_size=20))
@settings(max_examples=200)
def test_any_text_gets_an_answer_or_a_call(text: str) -> None:
    reply = answer(text, {}, NOW, Random(1))
    assert bool(reply.text) != (reply.tool is not None)


def test_language_is_told_by_the_characters() -> None:
    assert is_chinese("现在几点")
    assert is_chinese("talkbox 你好")
    assert not is_chinese("What time is it?")
