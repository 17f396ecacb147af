"""The agent: protocol, dialog, identity, daemon and command line around the sound of ``audio``."""

__version__ = "0.1.0"
