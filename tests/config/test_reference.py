"""The reference pages are in step with the schema and the shipped profiles."""

from __future__ import annotations

from pathlib import Path

from agent.config.loader import RESERVED
from agent.config.reference import configuration_page, profile_table
from agent.config.schema import KEYS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_configuration_page_is_in_step() -> None:
    assert (DOCS / "configuration.md").read_text() == configuration_page()


def test_the_configuration_page_names_every_key_and_variable() -> None:
    page = configuration_page()
    for key in KEYS.values():
        assert f"`{key.name}`" in page
        assert f"`{key.variable}`" in page
        assert key.meaning in page
    for name in RESERVED:
        assert f"`{name}`" in page


def test_the_table_of_profiles_is_in_step() -> None:
    assert profile_table() in (DOCS / "profiles.md").read_text()
