"""Try the brain by hand: ``python -m agent.emulator.brain say|hear|ask …``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agent.errors import ConfigError, TalkboxError, UsageError
from audio.errors import AudioError
from audio.wav import WavWriter, read_wav

from . import KINDS, Brain, Memory, open_brain


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or that of the error, which is told in one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        brain = open_brain(options.brain)
        print(brain.describe(), file=sys.stderr)
        if options.command == "say":
            _say(brain, options.text, options.wav, options.who)
        elif options.command == "hear":
            print(brain.hear(*read_wav(options.wav)))
        else:
            _ask(brain, options.text)
    except TalkboxError as error:
        print(f"brain: {error}", file=sys.stderr)
        return error.exit_code
    except (AudioError, OSError) as error:
        print(f"brain: {error}", file=sys.stderr)
        return UsageError.exit_code
    except ImportError as error:
        broken = ConfigError(
            f"A package of the brain is broken: {error}.",
            remedy="Install it again: pip install --require-hashes -r requirements/brain.txt.",
        )
        print(f"brain: {broken}", file=sys.stderr)
        return broken.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agent.emulator.brain", description=__doc__)
    parser.add_argument("--brain", choices=KINDS, default="auto", help="which brain (auto)")
    commands = parser.add_subparsers(dest="command", required=True)
    say = commands.add_parser("say", help="speak a text into a WAV file")
    say.add_argument("text")
    say.add_argument("wav", type=Path)
    say.add_argument("--who", choices=("agent", "person"), default="agent", help="which voice")
    hear = commands.add_parser("hear", help="print what is said in a WAV file")
    hear.add_argument("wav", type=Path)
    ask = commands.add_parser("ask", help="print the answer to a text")
    ask.add_argument("text")
    return parser


def _say(brain: Brain, text: str, wav: Path, who: str) -> None:
    writer: WavWriter | None = None
    try:
        for sentence in brain.sentences(text):
            samples, rate = brain.speak(sentence, "person" if who == "person" else "agent")
            writer = writer or WavWriter(wav, rate)
            writer.write(samples)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise UsageError("There is nothing to say in an empty text.")


def _ask(brain: Brain, text: str) -> None:
    memory: Memory = {}
    answer = brain.answer(text, memory)
    if answer.tool is None:
        print(answer.text)
    else:
        print(f"calls {answer.tool.name} {answer.tool.arguments}")


if __name__ == "__main__":
    sys.exit(main())
