"""Exporting bills, and downloading what was exported."""

from __future__ import annotations

import csv
import hmac
import io
from typing import Any

from aiohttp import web

from agent.emulator.bills import ROWS_PER_FILE, Bills, BillTask, whole_days
from agent.emulator.rest.reply import ApiError, body, grant, integer, ok, page_of, text
from agent.emulator.service import Service
from agent.emulator.tokens import Denial
from agent.emulator.usage import COLUMNS, UsageRow

PATH = "/v1/commerce/benefit/bill_tasks"
FILES = "/bill_files/{task_id}_{number:[0-9]{1,6}}.csv"

_MOST_IDS = 100
_ROWS_AT_ONCE = 1000


def routes(service: Service) -> list[web.RouteDef]:
    """Create and list tasks; the files carry their permission in their address."""
    bills = Bills(service.store, lambda: service.now())
    ledger, plan = service.meter.ledger, service.script.plan

    async def create(request: web.Request) -> web.Response:
        tenant = _administered(request, "createBillDownloadTask")
        values = await body(request)
        try:
            days = whole_days(
                integer(values, "started_at"), integer(values, "ended_at"), service.now()
            )
        except ValueError as error:
            raise ApiError(4000, f"invalid parameter: {error}", 400) from None
        task = bills.create(service.ids.number(), tenant, *days)
        return ok(_told(request, task))

    async def listing(request: web.Request) -> web.Response:
        tenant = _administered(request, "listBillDownloadTask")
        ids = [
            id.strip()
            for value in request.query.getall("task_ids", [])
            for id in value.strip("[]").split(",")
            if id.strip()
        ]
        if len(ids) > _MOST_IDS:
            raise ApiError(4000, f"invalid parameter: task_ids has more than {_MOST_IDS} ids", 400)
        page_num = integer(request.query, "page_num", 1, 1)
        page_size = integer(request.query, "page_size", 20, 1, 200)
        found, _, total = page_of(bills.listed(tenant, ids), page_num, page_size)
        return ok({"total": total, "task_infos": [_told(request, task) for task in found]})

    async def download(request: web.Request) -> web.StreamResponse:
        task = bills.find(request.match_info["task_id"])
        given = text(request.query, "sign").encode()
        if task is None or not hmac.compare_digest(given, task.secret.encode()):
            raise Denial(403, 4101, "the address of the file is wrong")
        number = int(request.match_info["number"])
        ready = task.status(service.now(), plan.bill_ready_s, plan.bill_fails) == "succeed"
        if not ready or service.now() >= task.expires_at or not 1 <= number <= _files(task):
            raise ApiError(4200, "the file does not exist", 404)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="bill_{number}.csv"',
            }
        )
        await response.prepare(request)
        await response.write(_csv([dict(zip(COLUMNS, COLUMNS, strict=True))]))
        after, left = _beginning(task, number), ROWS_PER_FILE
        while left:
            rows = ledger.page(
                task.tenant, task.started_at, task.ended_at + 1, after, min(left, _ROWS_AT_ONCE)
            )
            if not rows:
                break
            await response.write(_csv([row.event() for row in rows]))
            after, left = _place(rows[-1]), left - len(rows)
        await response.write_eof()
        return response

    def _beginning(task: BillTask, number: int) -> tuple[float, str]:
        """Time and id of the row before the first one of a file."""
        skip = (number - 1) * ROWS_PER_FILE
        if not skip:
            return (-1.0, "")
        before = ledger.nth(task.tenant, task.started_at, task.ended_at + 1, skip - 1)
        return (float(task.ended_at + 1), "") if before is None else _place(before)

    def _files(task: BillTask) -> int:
        rows = ledger.count(task.tenant, task.started_at, task.ended_at + 1)
        return max(1, -(-rows // ROWS_PER_FILE))

    def _told(request: web.Request, task: BillTask) -> dict[str, Any]:
        status = task.status(service.now(), plan.bill_ready_s, plan.bill_fails)
        urls: list[str] | str = []
        if status == "succeed" and service.now() < task.expires_at:
            base = f"{request.scheme}://{request.host}/bill_files/{task.id}"
            urls = [
                f"{base}_{number}.csv?sign={task.secret}" for number in range(1, _files(task) + 1)
            ]
        sample = service.script.switches.bill_reply == "sample"
        return {
            "task_id": int(task.id) if sample else task.id,
            "status": status,
            "started_at": task.started_at,
            "ended_at": task.ended_at,
            "created_at": int(task.created_at),
            "expires_at": task.expires_at,
            "file_urls": urls or ("" if sample else []),
        }

    def _administered(request: web.Request, permission: str) -> str:
        who = grant(request, service, permission)
        if plan.level != "enterprise":
            raise Denial(403, 4101, "bills are exported for the enterprise plan only")
        return service.meter.tenant(who.account)

    return [web.post(PATH, create), web.get(PATH, listing), web.get(FILES, download)]


def _place(row: UsageRow) -> tuple[float, str]:
    return row.consume_time, row.id


def _csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    csv.DictWriter(out, COLUMNS, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()
