"""Names to addresses, in a thread that may be abandoned."""

from __future__ import annotations

import socket
import threading
from itertools import chain, zip_longest
from typing import ClassVar

Address = tuple[
    socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]


class Lookup:
    """One name look-up in a daemon thread of its own.

    The C library's look-up cannot be cancelled and takes up to half a minute against a name
    server that is silent; attempts that come meanwhile for the same name share it.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _running: ClassVar[dict[tuple[str, int], Lookup]] = {}

    def __init__(self) -> None:
        self.done = threading.Event()
        self.addresses: list[Address] = []
        self.error = 0

    @classmethod
    def of(cls, host: str, port: int) -> Lookup:
        with cls._lock:
            lookup = cls._running.get((host, port))
            if lookup is None:
                lookup = cls._running[host, port] = cls()
                threading.Thread(
                    target=lookup._run, args=(host, port), name="name-lookup", daemon=True
                ).start()
            return lookup

    def _run(self, host: str, port: int) -> None:
        try:
            self.addresses = addresses(host, port, 0)
        except socket.gaierror as error:
            self.error = error.errno or 0
        except (OSError, UnicodeError):
            self.error = socket.EAI_NONAME
        finally:
            with self._lock:
                del self._running[host, port]
            self.done.set()


def addresses(host: str, port: int, flags: int) -> list[Address]:
    """Families alternate, so that a dead IPv6 costs one quarter of a second and not all of it."""
    found: dict[int, list[Address]] = {}
    for family, _, _, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=flags
    ):
        found.setdefault(family, []).append((family, address))
    alternating = chain.from_iterable(zip_longest(*found.values()))
    return [address for address in alternating if address is not None]
