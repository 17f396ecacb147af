"""What can go wrong with sound. Each message is one sentence that says what to do.

``AudioError``
    ``DeviceError``: ``DeviceNotFound`` (no device of that name), ``DeviceBusy`` (somebody else
    holds it), ``DeviceFailed`` (it was there and stopped working).
    ``LibraryMissing``: PortAudio, libopus or an extra is not installed.
    ``WavError``: a file that is not a usable WAV.
    ``CodecError``: samples of the wrong length, or a packet that is no Opus packet.

Trying again may heal a ``DeviceError``; it never heals the others.
"""

from __future__ import annotations


class AudioError(Exception):
    """Base of every error that this package raises on purpose."""


class DeviceError(AudioError):
    """A sound device cannot be used now; trying again later may heal it."""


class DeviceNotFound(DeviceError):
    """No device of that name is present."""


class DeviceBusy(DeviceError):
    """The device is there, but another program holds it."""


class DeviceFailed(DeviceError):
    """The device refused to open, or stopped while it was open."""


class LibraryMissing(AudioError):
    """A shared library or an optional package is not installed."""


class WavError(AudioError):
    """The file is not a WAV that can be read."""


class CodecError(AudioError):
    """Samples of the wrong length for the encoder, or bytes that are no Opus packet."""
