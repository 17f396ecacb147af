"""Who hears of a bot that is published or taken off."""

import json

from agent.emulator.accounts import Accounts
from agent.emulator.apiapps import EVENTS, ApiApps
from agent.emulator.bots import Bot
from agent.emulator.callbacks import Callbacks
from agent.emulator.connectors import Connectors
from agent.emulator.meter import Meter
from agent.emulator.plan import CallbackPolicy, Plan
from agent.emulator.publishing import Publishing
from agent.emulator.rest import apiapps, connectors
from agent.emulator.store import Store
from agent.emulator.tables import TABLES

BOT = Bot("740", "acme", "1", {"name": "Kiosk"}, None, ["1024", "777"], version=2)


class Office:
    """A platform that delivers nothing, with an app of each kind that wants to know all."""

    def __init__(self) -> None:
        self.store = Store(None, TABLES)
        accounts = Accounts(self.store)
        callbacks = Callbacks(self.store, CallbackPolicy(), lambda: 5.0, lambda ms: 0.0)
        self.connectors = Connectors(self.store, lambda: 5.0)
        meter = Meter(self.store, accounts, Plan(), lambda: 5.0)
        self.publishing = Publishing(self.connectors, callbacks, accounts, meter)
        self.apps = ApiApps(self.store)
        for id, kind, connector_id in (("n", "normal", ""), ("c", "connector", "777")):
            self.apps.create(id, "acme", "acme", kind, id, connector_id)
            self.apps.update(id, id, "http://127.0.0.1:1/")
            self.apps.subscribe(id, EVENTS)

    def queued(self) -> list[tuple[str, str, str]]:
        rows = self.store.rows("SELECT api_app_id, body FROM callback ORDER BY rowid")
        bodies = [(row["api_app_id"], json.loads(row["body"])) for row in rows]
        return [
            (app, body["header"]["event_type"], body["event"].get("space_id", ""))
            for app, body in bodies
        ]


def test_official_channels_are_told_to_normal_apps_and_others_to_their_own() -> None:
    office = Office()
    office.publishing.published(BOT, ["777"], {}, "acme")
    assert office.queued() == [("c", "bot.published", "")]
    listing = office.connectors.listed("777", "740")
    # It waits for the channel's judgement.
    assert listing is not None and listing.audit_status == 1
    office.publishing.published(BOT, ["1024", "1024"], {}, "acme")
    assert office.queued()[1:] == [("n", "bot.published", "1")]


def test_taken_off_a_channel() -> None:
    office = Office()
    office.publishing.published(BOT, ["1024", "777"], {}, "acme")
    before = len(office.queued())
    office.publishing.unpublished(BOT, "777", "acme")
    assert sorted(office.queued()[before:]) == [
        ("c", "bot.unpublished", ""),
        ("n", "bot.unpublished", "1"),
    ]
    assert office.connectors.listed("777", "740") is None
    assert office.connectors.listed("1024", "740") is not None


def test_addresses() -> None:
    assert apiapps.PATH == "/v1/api_apps"
    assert connectors.PATH == "/v1/connectors/{connector_id}"
