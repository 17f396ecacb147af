"""What all rooms have in common: nobody comes in without a token, no address is taken twice."""

from collections import Counter

from agent.emulator.rest import (
    bots,
    chat3,
    conversations,
    files,
    messages,
    rooms,
    speech,
    transcription,
    variables,
    voiceprint,
    voices,
)
from agent.emulator.service import Service
from tests.emulator.doubles import DoubleBrain, fast_script
from tests.emulator.rest import Rest, serving

ROOMS = (
    *(bots, chat3, conversations, files, messages, rooms),
    *(speech, transcription, variables, voiceprint, voices),
)
# An audio player that is handed the address of a preview has no token.
OPEN = "/preview/{voice_id}.wav"


def addresses() -> list[tuple[str, str]]:
    service = Service(DoubleBrain(), fast_script())
    found = [(one.method, one.path) for room in ROOMS for one in room.routes(service)]
    service.store.close()
    service.worker.close()
    return found


def test_no_address_is_taken_twice() -> None:
    assert [one for one, count in Counter(addresses()).items() if count > 1] == []


def test_nobody_comes_in_without_a_token() -> None:
    with serving() as (rest, _):
        stranger = Rest(rest.base, "")
        for method, path in addresses():
            if path != OPEN:
                reply = stranger.call(method, path.replace("{", "").replace("}", ""))
                assert (reply.status, reply.code) == (401, 4100), path
