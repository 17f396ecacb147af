from __future__ import annotations

from agent.emulator.brain.phrases import CHINESE_JOKES, JOKES, PHRASES


def test_no_phrase_means_two_things() -> None:
    phrases = [phrase for group in PHRASES.values() for phrase in group]
    assert len(phrases) == len(set(phrases))


def test_phrases_are_plain_words() -> None:
    for group in PHRASES.values():
        for phrase in group:
            assert phrase == phrase.lower().strip()
            assert all(character.isalpha() or character in " '" for character in phrase)


def test_there_is_more_than_one_joke() -> None:
    assert len(set(JOKES)) == len(JOKES) > 4
    assert len(set(CHINESE_JOKES)) == len(CHINESE_JOKES) > 2
