"""The command line: flags in, sentences and exit codes out. Every command is imported lazily."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent import __version__
from agent.errors import (
    EXIT_AUDIO,
    EXIT_BUG,
    EXIT_OK,
    EXIT_UNAVAILABLE,
    TalkboxError,
    UsageError,
)
from audio.errors import AudioError, DeviceError

Command = Callable[[argparse.Namespace], int]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; an error becomes one sentence on stderr."""
    try:
        arguments = _parser().parse_args(argv)
        _set_up_logging(arguments)
        command: Command = arguments.command
        return command(arguments)
    except TalkboxError as error:
        print(f"talkbox: {error}", file=sys.stderr)
        return error.exit_code
    except DeviceError as error:
        print(f"talkbox: {error}", file=sys.stderr)
        return EXIT_AUDIO
    except AudioError as error:
        print(f"talkbox: {error}", file=sys.stderr)
        return EXIT_AUDIO
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_OK
    except Exception:
        logging.getLogger("talkbox").exception("a bug in talkbox; please report the lines below")
        return EXIT_BUG


def _set_up_logging(arguments: argparse.Namespace) -> None:
    level = logging.WARNING
    if getattr(arguments, "verbose", 0) or arguments.name == "run":
        level = logging.DEBUG if getattr(arguments, "verbose", 0) > 1 else logging.INFO
    if getattr(arguments, "quiet", False):
        level = logging.WARNING
    # Under systemd the journal stamps the lines itself.
    stamp = "" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format=f"{stamp}%(levelname).1s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="talkbox", description="A voice agent for small Linux devices."
    )
    parser.add_argument("--version", action="version", version=f"talkbox {__version__}")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    run = add("run", _run, "run the agent: listen, talk to the platform, play the answers")
    _config_flags(run)
    run.add_argument(
        "--profile", metavar="NAME", help="firmware profile (see: talkbox profile list)"
    )
    run.add_argument(
        "--input", metavar="DEV|FILE.wav", help="microphone, or a WAV that is spoken in"
    )
    run.add_argument("--output", metavar="DEV|FILE.wav", help="speaker, or a WAV that is written")
    run.add_argument("--events", metavar="FILE|-", help="write one JSON object per event")
    run.add_argument("--once", action="store_true", help="exit after the answer has been heard")
    run.add_argument("-v", "--verbose", action="count", default=0, help="say more (twice: debug)")
    run.add_argument("-q", "--quiet", action="store_true", help="only warnings")

    demo = add("demo", _demo, "hold a conversation with the emulator: no account, no sound card")
    demo.add_argument(
        "--out", metavar="DIR", default="demo-out", help="where the WAVs and the picture go"
    )
    demo.add_argument(
        "--samples", action="store_true", help="sample questions even if there is a microphone"
    )
    demo.add_argument("--brain", default="auto", help="auto, full, grammar or simple")
    demo.add_argument("--turn", default="local", help="local or server_vad")
    demo.add_argument(
        "--question", action="append", metavar="TEXT", help="ask this instead (repeatable)"
    )
    demo.add_argument("-v", "--verbose", action="count", default=0, help="show the log")

    emulator = add("emulator", _emulator, "run a local emulator of the platform")
    emulator.add_argument("--host", default="127.0.0.1")
    emulator.add_argument("--port", type=int, default=0, help="0: any free port")
    emulator.add_argument(
        "--script", type=Path, metavar="FILE.toml", help="fixed answers, timings, faults"
    )
    emulator.add_argument("--ready-file", type=Path, metavar="FILE", help="written when it listens")
    emulator.add_argument(
        "--state", type=Path, metavar="FILE", help="keep accounts, usage, conversations there"
    )
    emulator.add_argument(
        "--tls", type=Path, metavar="CA.pem", help="speak TLS; the file gets the CA to trust"
    )
    emulator.add_argument("--brain", default="auto", help="auto, full, grammar or simple")
    emulator.add_argument("--seed", type=int, default=0, help="makes a run repeatable")
    emulator.add_argument("-v", "--verbose", action="count", default=0, help="show every event")

    devices = add("devices", _devices, "list audio devices with rates and latency")
    devices.add_argument("--json", action="store_true")

    profile = add("profile", _profile, "list, show or check firmware profiles")
    profile.add_argument("action", choices=["list", "show", "check"])
    profile.add_argument("which", nargs="?", help="a profile's name or file")

    config = add("config", _config, "show effective settings and where each came from")
    _config_flags(config)
    config.add_argument("--profile", metavar="NAME")
    config.add_argument("--json", action="store_true")
    config.add_argument("--default", action="store_true", help="print the commented default file")

    for name, text in {
        "status": "what the running daemon does",
        "listen": "have it listen now, interrupting what it says",
        "stop": "have it be quiet",
        "mute": "close the microphone",
        "unmute": "open the microphone again",
    }.items():
        sub = add(name, _control, text)
        _config_flags(sub)
        sub.add_argument("--json", action="store_true", help="print the daemon's answer as JSON")
    volume = add("volume", _control, "show or set the volume")
    volume.add_argument("value", nargs="?", help="0-100, or +10 / -10")
    say = add("say", _control, "have it speak a text")
    say.add_argument("value", metavar="TEXT")
    ask = add("ask", _control, "ask it a typed question")
    ask.add_argument("value", metavar="TEXT")
    for sub in (volume, say, ask):
        _config_flags(sub)
        sub.add_argument("--json", action="store_true", help="print the daemon's answer as JSON")
    return parser


def _config_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")


def _load(arguments: argparse.Namespace) -> Any:
    from agent.config import load

    overrides: dict[str, Any] = {}
    if getattr(arguments, "profile", None):
        overrides["device.profile"] = arguments.profile
    for flag, key in (("input", "audio.input"), ("output", "audio.output")):
        if getattr(arguments, flag, None) is not None:
            overrides[key] = getattr(arguments, flag)
    return load(arguments.config, env=dict(os.environ), overrides=overrides)


def _run(arguments: argparse.Namespace) -> int:
    from agent.signals import Signals, ignore

    try:
        # From here on a signal is a polite end, though the rest takes a moment to load.
        with Signals().caught():
            from agent.daemon import Options, serve

            options = Options(events=arguments.events, once=arguments.once)
            return serve(lambda: _load(arguments), options)
    finally:
        # The exit code is settled; the interpreter takes a moment to fold up.
        ignore()


def _demo(arguments: argparse.Namespace) -> int:
    from agent.demo import run_demo

    return run_demo(
        out=Path(arguments.out),
        samples=arguments.samples,
        brain=arguments.brain,
        turn=arguments.turn,
        questions=arguments.question,
    )


def _emulator(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"there is no port {arguments.port}", remedy="Give one from 0 to 65535.")
    try:
        from agent.emulator.certificate import make_context
        from agent.emulator.server import run
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the emulator needs the package '{error.name}'",
            remedy="Type: pip install 'talkbox[emulator]'",
        ) from error
    return run(
        host=arguments.host,
        port=arguments.port,
        script=arguments.script,
        ready_file=arguments.ready_file,
        brain=arguments.brain,
        seed=arguments.seed,
        state=arguments.state,
        tls=make_context(arguments.tls, arguments.host) if arguments.tls else None,
    )


def _devices(arguments: argparse.Namespace) -> int:
    from audio.portaudio import list_devices

    devices = list_devices()
    if arguments.json:
        print(json.dumps([asdict(device) for device in devices], ensure_ascii=False, indent=2))
        return EXIT_OK
    if not devices:
        print(
            "No audio devices. WAV files work as well: "
            "talkbox run --input FILE.wav --output OUT.wav"
        )
        return EXIT_OK
    width = max(len(device.name) for device in devices)
    print(f"{'#':>3}  {'name':<{width}}  in  out    rate  latency  through")
    for device in devices:
        print(
            f"{device.index:>3}  {device.name:<{width}}  {device.inputs:>2}  {device.outputs:>3}"
            f"  {device.default_rate:>6}  {device.low_latency_ms:>4.0f} ms  {device.host_api}"
        )
    return EXIT_OK


def _profile(arguments: argparse.Namespace) -> int:
    from agent.config import profile

    if arguments.action == "list":
        for entry in profile.list_profiles():
            print(f"{entry.name:<20}  {entry.title}")
        return EXIT_OK
    if arguments.action == "show":
        if not arguments.which:
            raise UsageError("which profile?", remedy="Type: talkbox profile list")
        print(profile.render_profile(profile.load_profile(arguments.which)))
        return EXIT_OK
    names = [arguments.which] if arguments.which else [p.name for p in profile.list_profiles()]
    bad = 0
    for name in names:
        findings = profile.check_profile(name)
        bad += bool(findings)
        print(f"{name}: {'ok' if not findings else 'wrong'}")
        for finding in findings:
            print(f"  {finding}")
    return EXIT_OK if not bad else 78


def _config(arguments: argparse.Namespace) -> int:
    from agent.config import default_file, render, render_json

    if arguments.default:
        print(default_file(), end="")
        return EXIT_OK
    config = _load(arguments)
    print(render_json(config) if arguments.json else render(config))
    return EXIT_OK


def _control(arguments: argparse.Namespace) -> int:
    from agent.config import find_file
    from agent.control import request

    env = dict(os.environ)
    message: dict[str, Any] = {"command": arguments.name}
    if getattr(arguments, "value", None) is not None:
        message["value"] = arguments.value
    answer = request(find_file(arguments.config, env=env), env, message)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
        return EXIT_OK if answer["ok"] else int(answer.get("exit", EXIT_UNAVAILABLE))
    if not answer["ok"]:
        print(f"talkbox: {answer['error']}", file=sys.stderr)
        return int(answer.get("exit", EXIT_UNAVAILABLE))
    text = answer.get("text")
    if text:
        print(text)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
