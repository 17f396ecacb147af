"""Whose turn it is: a pure engine. Timestamped events in, actions out; no socket, no clock."""
