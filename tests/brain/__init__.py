"""Tests of the emulator's brain."""
