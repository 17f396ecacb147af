"""The fixture of this folder."""

from tests.soundserver.server import sound_server

__all__ = ["sound_server"]
