"""Reading Opus packets out of Ogg pages (RFC 3533, RFC 7845)."""

from __future__ import annotations

import zlib

_HEADER = 27
_MOST = 65307  # the longest page: header, 255 lacing values, 255 segments of 255 bytes
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class OggError(ValueError):
    """Bytes that are no Ogg page."""


class OggReader:
    """Turns a stream of Ogg pages, cut anywhere, into packets.

    The two header packets of Opus (``OpusHead``, ``OpusTags``) are left out, wherever they come:
    some devices send them again before every utterance.
    """

    def __init__(self) -> None:
        self._bytes = b""
        self._packet = b""

    def feed(self, payload: bytes) -> list[bytes]:
        """The packets completed by ``payload``. Raises ``OggError`` and forgets the rest."""
        data = self._bytes + payload
        self._bytes = b""
        packets: list[bytes] = []
        while len(data) >= _HEADER:
            if not data.startswith(b"OggS\x00"):
                self._packet = b""
                raise OggError("no Ogg page where one must begin")
            table = data[_HEADER : _HEADER + data[26]]
            end = _HEADER + len(table) + sum(table)
            if len(table) < data[26] or len(data) < end:
                break
            _check(data[:end])
            packets += self._packets(table, data[_HEADER + len(table) : end])
            data = data[end:]
        if data and not b"OggS"[: len(data)] == data[:4]:
            raise OggError("no Ogg page where one must begin")
        self._bytes = data
        return [packet for packet in packets if not packet.startswith((b"OpusHead", b"OpusTags"))]

    def _packets(self, table: bytes, body: bytes) -> list[bytes]:
        packets = []
        at = 0
        for size in table:
            self._packet += body[at : at + size]
            at += size
            if size < 255:
                packets.append(self._packet)
                self._packet = b""
            elif len(self._packet) > 4 * _MOST:
                self._packet = b""
                raise OggError("a packet without an end")
        return packets


def checksum(page: bytes) -> int:
    """The CRC of a page whose checksum field is zero.

    Ogg uses the polynomial of zlib, but unreflected and starting from zero; both differences
    cancel out by reversing the bits of every byte and of the result.
    """
    raw = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{raw:032b}"[::-1], 2)


def _check(page: bytes) -> None:
    blank = page[:22] + bytes(4) + page[26:]
    if checksum(blank) != int.from_bytes(page[22:26], "little"):
        raise OggError("an Ogg page with a wrong checksum")
