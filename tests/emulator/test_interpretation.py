"""The socket nobody knows enough of."""

from tests.emulator.doubles import drive, running
from tests.emulator.test_chat import refused


def test_simultaneous_interpretation_is_refused_in_plain_words() -> None:
    async def body() -> None:
        async with running() as emulator:
            path = "/v1/audio/simult_interpretation"
            status, answer = await refused(emulator, "", "t", path)
            assert (status, answer["code"]) == (501, 4000)
            assert "interpretation" in answer["msg"]
            status, answer = await refused(emulator, "", "", path)
            assert (status, answer["code"]) == (401, 4100)

    drive(body)
