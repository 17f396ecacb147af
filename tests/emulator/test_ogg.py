import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.ogg import OggError, OggReader, checksum


def page(packets: list[bytes], *, first: bool = False, sequence: int = 0) -> bytes:
    lacing = b"".join(bytes([255] * (len(p) // 255) + [len(p) % 255]) for p in packets)
    head = b"OggS\0" + (b"\2" if first else b"\0") + bytes(8) + b"\1\0\0\0"
    head += sequence.to_bytes(4, "little")
    rest = bytes([len(lacing)]) + lacing + b"".join(packets)
    crc = checksum(head + bytes(4) + rest)
    return head + crc.to_bytes(4, "little") + rest


def bitwise(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


@given(st.binary(max_size=200))
@settings(max_examples=30)
def test_the_checksum_is_that_of_the_standard(data: bytes) -> None:
    assert checksum(data) == bitwise(data)


@given(st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=8), st.integers(1, 400))
@settings(max_examples=40)
def test_packets_come_out_however_the_stream_is_cut(packets: list[bytes], step: int) -> None:
    packets = [b"p" + packet for packet in packets]
    stream = page([b"OpusHead\1"], first=True) + page([b"OpusTags"], sequence=1)
    stream += b"".join(page([packet], sequence=at) for at, packet in enumerate(packets, 2))
    reader = OggReader()
    found = [
        packet
        for at in range(0, len(stream), step)
        for packet in reader.feed(stream[at : at + step])
    ]
    assert found == packets


def test_headers_may_come_again() -> None:
    reader = OggReader()
    assert reader.feed(page([b"OpusHead"], first=True) + page([b"abc"])) == [b"abc"]
    assert reader.feed(page([b"OpusHead"], first=True) + page([b"def"])) == [b"def"]


def test_what_is_no_page_is_refused_at_once() -> None:
    with pytest.raises(OggError):
        OggReader().feed(b"abc")


def test_a_wrong_checksum_is_refused_and_the_next_page_is_read() -> None:
    broken = bytearray(page([b"abc"]))
    broken[-1] ^= 1
    reader = OggReader()
    with pytest.raises(OggError):
        reader.feed(bytes(broken))
    assert reader.feed(page([b"def"])) == [b"def"]
