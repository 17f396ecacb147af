"""Metering: who used how much, and whether they may go on.

What is used is put down to the device (or other consumer) that the token was made for, and to
nobody else: a ``device_id`` in an address is only logged, as documented. Tokens without device info
leave rows in the bill and are never limited.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import ClassVar

from agent.emulator.accounts import Accounts
from agent.emulator.fields import Refusal
from agent.emulator.limitations import (
    CUSTOM_VOICE,
    POINTS,
    SYSTEM_VOICE,
    Entity,
    Verdict,
    allowance,
    judge,
)
from agent.emulator.plan import Plan
from agent.emulator.quotas import Quotas, entities
from agent.emulator.store import Store
from agent.emulator.tokens import Grant
from agent.emulator.usage import (
    ASR_STREAM,
    BALANCES,
    BOT,
    MODEL,
    TTS_CHARS,
    VOICE,
    VOICE_ROOT,
    Ledger,
    UsageRow,
)

_Key = tuple[str, Entity, str]


class Exhausted(Refusal):
    """The quota is used up. ``verdict`` tells of which rule; the wire tells nobody."""

    MSG: ClassVar[str] = "the quota of the device is used up"

    def __init__(self, verdict: Verdict, code: int) -> None:
        super().__init__(self.MSG, code)
        self.verdict = verdict


class Meter:
    """Counts for all connections. ``listeners`` are told of every row that was written.

    ``cloned(voice_id, account)`` tells whether a voice is a clone; those a script names are, too.
    ``version`` changes whenever something that was judged may be judged differently.
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        plan: Plan,
        now: Callable[[], float],
        code: int = 4011,
    ) -> None:
        """``code`` is what the platform calls a quota that is used up."""
        self.quotas = Quotas(store)
        self.ledger = Ledger(store)
        self.cloned: Callable[[str, str], bool] = lambda voice_id, account: False
        self.listeners: list[Callable[[UsageRow], None]] = []
        self.now = now
        self.plan = plan
        self.code = code
        self._accounts = accounts
        # What running turns used and did not write down yet.
        self._running: defaultdict[_Key, float] = defaultdict(float)
        self._written = 0

    @property
    def version(self) -> tuple[int, int]:
        """Of the rules and of the rows."""
        return self.quotas.version, self._written

    def tenant(self, account: str) -> str:
        """Whose rules and bills an account's are: its enterprise's, or its own."""
        return self._accounts.get(account).enterprise_id or account

    def benefit(self, voice_id: str = "", account: str = "") -> str:
        """What speech with that voice uses up."""
        custom = voice_id in self.plan.custom_voices or self.cloned(voice_id, account)
        if not self.plan.licensed(custom):
            return POINTS
        return CUSTOM_VOICE if custom else SYSTEM_VOICE

    def report(self, grant: Grant) -> None:
        """Take note that a token with device info is in use."""
        whom = entities(grant)
        if whom:
            self.quotas.report(self.tenant(grant.account), whom, self.now())

    def allowed(self, grant: Grant, now: float | None = None, voice_id: str = "") -> Verdict | None:
        """Why the bearer may not begin anything that thinks and speaks; None if they may."""
        whom = entities(grant)
        if not whom:
            return None
        now = self.now() if now is None else now
        tenant = self.tenant(grant.account)
        rules = self.quotas.concerning(tenant, whom)
        for benefit in dict.fromkeys((self.benefit(voice_id, grant.account), POINTS)):
            verdict = judge(rules, whom, benefit, self._used(tenant), now)
            if verdict is not None:
                return verdict
        return None

    def check(self, grant: Grant, voice_id: str = "") -> None:
        """Raises ``Exhausted`` unless the bearer is allowed to begin."""
        verdict = self.allowed(grant, voice_id=voice_id)
        if verdict is not None:
            raise Exhausted(verdict, self.code)

    def open(self, grant: Grant, root_id: str, bot_id: str = "", voice_id: str = "") -> Gauge:
        """Begin to count one turn, or one piece of speech where ``bot_id`` is empty."""
        return Gauge(self, grant, root_id, bot_id, voice_id)

    def write(self, rows: list[UsageRow]) -> None:
        """Keep rows and tell of them."""
        if not rows:
            return
        self.ledger.add(rows)
        self._written += 1
        for row in rows:
            for listener in self.listeners:
                listener(row)

    def ceiling(self, key: _Key) -> tuple[float | None, float | None]:
        """What ``running`` of that key may grow to (None: without limit), and until when."""
        tenant, entity, benefit = key
        rules = self.quotas.concerning(tenant, [entity])
        found = allowance(rules, [entity], benefit, self._used(tenant), self.now())
        left = None if found.left is None else found.left + self._running[key]
        return left, found.until

    def running(self, key: _Key, more: float = 0.0) -> float:
        """What running turns used, after adding ``more``."""
        self._running[key] += more
        total = self._running[key]
        # Sums of binary fractions; a millionth of a second is nobody's.
        if abs(total) < 1e-6:
            del self._running[key]
        return total

    def _used(self, tenant: str) -> Callable[[Entity, str, float], float]:
        def used(entity: Entity, benefit_type: str, since: float) -> float:
            written = self.ledger.used(tenant, entity, benefit_type, since)
            return written + self._running.get((tenant, entity, benefit_type), 0.0)

        return used

    def owner(self, account: str) -> tuple[str, str]:
        """User id and first workspace of an account."""
        spaces = self._accounts.workspaces(account)
        return self._accounts.get(account).user_id, spaces[0].id if spaces else ""


class _Tap:
    """One benefit flowing to one entity, watched for the moment at which it is used up."""

    def __init__(self, meter: Meter, key: _Key) -> None:
        self._meter = meter
        self._key = key
        self._seen: tuple[int, int] | None = None
        self._ceiling: float | None = None
        self._until: float | None = None
        self.spent = 0.0

    def spend(self, amount: float) -> None:
        self.spent += amount
        self._meter.running(self._key, amount)

    def dry(self) -> bool:
        over = self._until is not None and self._meter.now() >= self._until
        if self._seen != self._meter.version or over:
            self._ceiling, self._until = self._meter.ceiling(self._key)
            self._seen = self._meter.version
        return self._ceiling is not None and self._meter.running(self._key) >= self._ceiling

    def close(self) -> None:
        self._meter.running(self._key, -self.spent)
        self.spent = 0.0


class Gauge:
    """Counts one turn. ``close`` writes its rows; it is the same to close twice."""

    def __init__(
        self, meter: Meter, grant: Grant, root_id: str, bot_id: str, voice_id: str
    ) -> None:
        self._meter = meter
        self._grant = grant
        self._root_id = root_id
        self._bot_id = bot_id
        self._voice_id = voice_id
        self._benefit = meter.benefit(voice_id, grant.account)
        self._tenant = meter.tenant(grant.account)
        self._taps = {
            benefit: [_Tap(meter, (self._tenant, entity, benefit)) for entity in entities(grant)]
            for benefit in dict.fromkeys((self._benefit, POINTS))
        }
        self._said_ms = 0.0
        self._chars = 0
        self._sentences = 0
        self._heard_ms = 0.0
        self._heard_as = ASR_STREAM
        self._tokens = (0, 0)
        self._closed = False

    @property
    def said_ms(self) -> float:
        """Milliseconds of speech sent so far."""
        return self._said_ms

    def said(self, ms: float) -> None:
        """So much speech was sent."""
        self._said_ms += ms
        if self._benefit != POINTS:
            self._spend(self._benefit, ms / 1000)

    def wrote(self, text: str) -> None:
        """A sentence was made into speech."""
        self._chars += len(text)
        self._sentences += 1
        if self._benefit == POINTS:
            self._spend(POINTS, len(text) * self._meter.plan.points_per_1000_chars / 1000)

    def heard(self, ms: float, resource_id: str = ASR_STREAM) -> None:
        """So much audio went through the recogniser."""
        self._heard_ms += ms
        self._heard_as = resource_id
        if self._benefit == POINTS:
            self._spend(POINTS, ms * self._meter.plan.points_per_asr_minute / 60_000)

    def thought(self, tokens_in: int, tokens_out: int) -> None:
        """What the model read and wrote in this turn so far, in tokens."""
        before, self._tokens = sum(self._tokens), (tokens_in, tokens_out)
        more = tokens_in + tokens_out - before
        self._spend(POINTS, more * self._meter.plan.points_per_1000_tokens / 1000)

    def verdict(self) -> Verdict | None:
        """Why this has to stop; None while it may go on."""
        if not any(tap.dry() for taps in self._taps.values() for tap in taps):
            return None
        return self._meter.allowed(self._grant, voice_id=self._voice_id)

    def check(self) -> None:
        """Raises ``Exhausted`` when this has to stop."""
        verdict = self.verdict()
        if verdict is not None:
            raise Exhausted(verdict, self._meter.code)

    def close(self) -> None:
        """Write down what was used."""
        if self._closed:
            return
        self._closed = True
        for taps in self._taps.values():
            for tap in taps:
                tap.close()
        self._meter.write(self._rows())

    def _spend(self, benefit: str, amount: float) -> None:
        for tap in self._taps[benefit]:
            tap.spend(amount)

    def _rows(self) -> list[UsageRow]:
        plan, rows = self._meter.plan, []
        if sum(self._tokens):
            points = sum(self._tokens) * plan.points_per_1000_tokens / 1000
            rows.append(
                self._row(
                    POINTS, points, MODEL, plan.model_id, tokens=self._tokens, model=plan.model_id
                )
            )
        if self._heard_ms:
            # A licence pays for hearing too; then the seconds of speech are all that counts.
            points = self._heard_ms * plan.points_per_asr_minute / 60_000
            amount = points if self._benefit == POINTS else 0.0
            rows.append(
                self._row(self._benefit, amount, VOICE, self._heard_as, heard_ms=self._heard_ms)
            )
        if self._sentences or self._said_ms:
            amount = self._said_ms / 1000
            if self._benefit == POINTS:
                amount = self._chars * plan.points_per_1000_chars / 1000
            rows.append(
                self._row(
                    self._benefit, amount, VOICE, TTS_CHARS, said=(self._chars, self._sentences)
                )
            )
        return rows

    def _row(
        self,
        benefit: str,
        amount: float,
        resource_type: int,
        resource_id: str,
        *,
        model: str = "",
        tokens: tuple[int, int] = (0, 0),
        said: tuple[int, int] = (0, 0),
        heard_ms: float = 0.0,
    ) -> UsageRow:
        grant, now = self._grant, self._meter.now()
        user_id, space_id = self._meter.owner(grant.account)
        return UsageRow(
            id=f"{int(now):08x}{secrets.token_hex(8)}",
            tenant=self._tenant,
            consume_time=now,
            record_root_id=self._root_id,
            connector_id=grant.connector_id,
            connector_uid=grant.session_name or user_id,
            device_id=grant.device_id,
            custom_consumer=grant.custom_consumer,
            space_id=space_id,
            root_entity_type=BOT if self._bot_id else VOICE_ROOT,
            root_entity_id=self._bot_id,
            milli=round(amount * 1000),
            balance_type=BALANCES[benefit],
            resource_type=resource_type,
            resource_id=resource_id,
            model_id=model,
            model_input_token=tokens[0],
            model_output_token=tokens[1],
            tts_char_num=said[0],
            tts_count=said[1],
            asr_audio_length=round(heard_ms),
            cost_account_id=user_id,
        )
