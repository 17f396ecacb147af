"""What somebody meant by a Chinese sentence, and what to answer. Typed turns; nothing hears it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from random import Random

from .answer import Answer, Memory, ToolRequest
from .arithmetic import figure, find_sum, is_exact
from .hanzi import spoken, with_digits
from .phrases import CHINESE_JOKES
from .talk import STEP, pick_unheard

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_WEEKDAYS = "一二三四五六日"
_PUNCTUATION = re.compile(r"[\s,\uff0c。.!\uff01?\uff1f、;\uff1b:\uff1a\"“”'‘’「」《》]+")
_REPEAT = re.compile(
    r"^(?:请|麻烦)?(?:你)?(?:跟我说|跟着我说|跟我念|重复一下|重复|复述)"
    r"[\s,\uff0c:\uff1a。“\"「]*(.*?)[”\"」\s]*$",
    re.DOTALL,
)
_OPERATORS = (
    ("乘以", " times "),
    ("除以", " divided by "),
    ("的平方", " to the power of 2"),
    ("加上", " plus "),
    ("减去", " minus "),
    ("乘", " times "),
    ("加", " plus "),
    ("减", " minus "),
    ("×", " times "),
    ("÷", " divided by "),
    ("+", " plus "),
    ("-", " minus "),
    ("*", " times "),
    ("/", " divided by "),
)
# Between a character and a number.
_EDGE = re.compile(r"(?<=[\u4e00-\u9fff])(?=-?\d)|(?<=\d)(?=[\u4e00-\u9fff])")
_REVERSED_DIVISION = re.compile(r"(\d+(?:\.\d+)?)除(?!以)(\d+(?:\.\d+)?)")
_ASKING = re.compile(
    r"^(?:请问|算一下|算算|计算|你知道|等于|等於|是|多少|几|得|呢|吗|啊|一下|請問)*$"
)
_SIGNS = {
    "plus": "加",
    "minus": "减",
    "times": "乘",
    "divided by": "除以",
    "to the power of": "的幂",
}
_LEVEL = re.compile(r"(?:音量|声音)\D{0,6}?(?:百分之)?(\d+)(?![\d点])")

HELP = "你可以问我现在几点、六乘十二等于多少，让我把音量调到四十，或者讲个笑话。"


def is_chinese(text: str) -> bool:
    """Whether ``text`` holds a Chinese character."""
    return _CHINESE.search(text) is not None


def answer(text: str, memory: Memory, now: datetime, rng: Random) -> Answer:
    """The answer to one Chinese sentence, in Chinese."""
    heard = text.strip()
    repeat = _REPEAT.match(heard)
    if repeat:
        words = repeat.group(1).strip()
        return Answer(words or "要我重复什么？")
    bare = _PUNCTUATION.sub("", heard)
    if memory.pop("awaiting", "") == "repeat":
        return Answer(heard)
    quoted = heard.rstrip("。.!\uff01")
    stop = "" if quoted.endswith(("?", "\uff1f")) else "。"
    return (
        _volume(bare)
        or _calendar(bare, now)
        or _arithmetic(heard)
        or _small_talk(bare, memory, rng)
        or Answer(f"我听到：{quoted}{stop}我只是模拟器，懂得不多。{HELP}")
    )


def _volume(bare: str) -> Answer | None:
    about_sound = "音量" in bare or "声音" in bare
    level = _LEVEL.search(with_digits(bare))
    if level:
        percent = int(level.group(1))
        if percent > 100:
            return Answer("音量只能从零到一百。")
        return Answer("", ToolRequest("set_volume", {"percent": percent}))
    if about_sound and re.search(r"最大", bare):
        return Answer("", ToolRequest("set_volume", {"percent": 100}))
    if bare in {"静音", "关掉声音"}:
        return Answer("", ToolRequest("set_volume", {"percent": 0}))
    if about_sound and re.search(r"多少|多大|是几", bare):
        return Answer("", ToolRequest("set_volume", {"delta": 0}))
    if re.search(r"大声|响一点|响点", bare) or (about_sound and re.search(r"[大高]", bare)):
        return Answer("", ToolRequest("set_volume", {"delta": STEP}))
    if re.search(r"小声|轻一点|轻点|太吵", bare) or (about_sound and re.search(r"[小低]", bare)):
        return Answer("", ToolRequest("set_volume", {"delta": -STEP}))
    return None


def _calendar(bare: str, now: datetime) -> Answer | None:
    if re.search(r"几点|什么时间|时间是|现在的时间|报时", bare):
        return Answer(f"现在是{_clock(now)}。")
    for word, days in (("后天", 2), ("明天", 1), ("昨天", -1)):
        if word in bare and re.search(r"星期几|周几|礼拜几|几号|什么日子|几月", bare):
            return Answer(f"{word}是{_date(now + timedelta(days=days))}。")
    if re.search(r"星期几|周几|礼拜几|几号|什么日子|日期|几月", bare):
        return Answer(f"今天是{_date(now)}。")
    if re.search(r"哪一?年|什么年份", bare):
        return Answer(f"今年是{now.year}年。")
    return None


def _clock(now: datetime) -> str:
    hour = now.hour
    part = "凌晨" if hour < 6 else "上午" if hour < 12 else "中午" if hour == 12 else ""
    part = part or ("下午" if hour < 18 else "晚上")
    twelve = hour % 12 or 12
    # Midnight is twelve at night, two o'clock takes the measure form.
    words = f"{part}{'两' if twelve == 2 else spoken(twelve)}点"
    if now.minute == 0:
        return words + "整"
    return words + ("零" if now.minute < 10 else "") + spoken(now.minute) + "分"


def _date(day: datetime) -> str:
    return f"{spoken(day.month)}月{spoken(day.day)}号，星期{_WEEKDAYS[day.weekday()]}"


def _arithmetic(heard: str) -> Answer | None:
    words = _REVERSED_DIVISION.sub(r"\2 divided by \1", with_digits(heard.replace("负", "-")))
    for sign, word in _OPERATORS:
        # A minus directly before a number and not after one is its sign.
        pattern = r"(?<=\d)\s*-\s*" if sign == "-" else re.escape(sign)
        words = re.sub(pattern, word, words)
    found = find_sum(" ".join(_EDGE.sub(" ", words).split()))
    if found is None or not _ASKING.match(_PUNCTUATION.sub("", found.rest.replace("=", ""))):
        return None
    try:
        result = found.result()
    except ZeroDivisionError:
        return Answer("零不能做除数，我也没有办法。")
    except OverflowError:
        return Answer("这个数太大了，我算不了。")
    said = found.words
    for sign, word in _SIGNS.items():
        said = said.replace(f" {sign} ", word)
    about = "" if is_exact(result) else "约"
    return Answer(f"{said}等于{about}{figure(result)}。")


def _small_talk(bare: str, memory: Memory, rng: Random) -> Answer | None:
    if "笑话" in bare:
        return Answer(pick_unheard(CHINESE_JOKES, "chinese_jokes", memory, rng))
    if re.search(r"你是谁|什么设备|介绍一下你自己|你是什么", bare):
        return Answer("", ToolRequest("get_device_info"))
    if "硬币" in bare:
        return Answer(rng.choice(("正面。", "反面。")))
    if "骰子" in bare:
        return Answer(f"掷出了{rng.randint(1, 6)}点。")
    for pattern, text in _TALK:
        if re.search(pattern, bare):
            return Answer(text)
    if re.search(r"再说一遍|再说一次|你说什么", bare):
        return Answer(str(memory.get("said") or "我还没有说过话。"))
    return None


_TALK: tuple[tuple[str, str], ...] = (
    (r"^(?:停|停下|停止|别说了|闭嘴|安静|算了|取消)$", "好的。"),
    (r"你叫什么|名字", "我没有名字，我是 talkbox 模拟器的声音。"),
    (r"你好吗|你怎么样|最近好吗", "我很好，谢谢。"),
    (r"谢谢|多谢", "不客气。"),
    (r"再见|拜拜|晚安", "再见！"),
    (r"听得到|听得见|在吗", "我在，听得到。"),
    (r"你能做什么|你会什么|帮助|能问什么", HELP),
    (r"^(?:你好|您好|喂|早上好|下午好|晚上好|嗨)", "你好！有什么可以帮你？"),
)
