"""Voiceprints: groups of voices, the voices in them, and who of them speaks."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.emulator.clip import decode
from agent.emulator.rest.form import Form, read_form
from agent.emulator.rest.reply import body, grant, integer, ok, page_of, text
from agent.emulator.service import Service
from agent.emulator.voiceprints import Group, Print, score, voiceprint

_NAME, _DESC = 20, 500
_LARGEST = 4 * 1024 * 1024
_RATE = 16_000


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/audio/voiceprint_groups…``."""
    prints = service.voiceprints

    async def create_group(request: web.Request) -> web.Response:
        who = grant(request, service)
        values = await body(request)
        name, desc = text(values, "name", None, _NAME), text(values, "desc", "", _DESC)
        return ok({"id": prints.create_group(who.account, name, desc)})

    async def groups(request: web.Request) -> web.Response:
        who = grant(request, service)
        query = request.query
        name, id, user_id = (text(query, key) for key in ("name", "group_id", "user_id"))
        user = _user(who.account)
        found = [
            {
                "id": group.id,
                "name": group.name,
                "desc": group.desc,
                "created_at": group.created_at,
                "updated_at": group.updated_at,
                "icon_url": "",
                "feature_count": count,
                "user_info": user,
            }
            for group, count in prints.groups(who.account)
            if name in group.name and id in ("", group.id) and user_id in ("", user["id"])
        ]
        return _page(request, found)

    async def change_group(request: web.Request) -> web.Response:
        group = _group(request)
        values = await body(request)
        name = text(values, "name", group.name, _NAME)
        desc = group.desc if values.get("desc") is None else text(values, "desc", "", _DESC)
        prints.change_group(group, name, desc)
        return ok()

    async def delete_group(request: web.Request) -> web.Response:
        prints.delete_group(_group(request))
        return ok()

    async def create(request: web.Request) -> web.Response:
        group = _group(request)
        form = await read_form(request, _LARGEST)
        name = text(form.fields, "name", None, _NAME)
        desc = text(form.fields, "desc", "", _DESC)
        return ok({"id": prints.add(group, name, desc, await _print(form))})

    async def features(request: web.Request) -> web.Response:
        group = _group(request)
        user = _user(group.account)
        found = [
            {
                "id": feature.id,
                "group_id": group.id,
                "name": feature.name,
                "audio_url": "",
                "created_at": feature.created_at,
                "updated_at": feature.updated_at,
                "desc": feature.desc,
                "icon_url": "",
                "user_info": user,
            }
            for feature in prints.features(group)
        ]
        return _page(request, found)

    async def change(request: web.Request) -> web.Response:
        feature = prints.feature(_group(request), request.match_info["feature_id"])
        form = (
            await read_form(request, _LARGEST, required=False)
            if request.content_type.startswith("multipart/")
            else Form({key: str(value) for key, value in (await body(request)).items()})
        )
        described = feature.print if form.file is None else await _print(form)
        prints.change(
            feature,
            text(form.fields, "name", feature.name, _NAME),
            text(form.fields, "desc", feature.desc, _DESC),
            described,
        )
        return ok()

    async def delete(request: web.Request) -> web.Response:
        prints.remove(prints.feature(_group(request), request.match_info["feature_id"]))
        return ok()

    async def identify(request: web.Request) -> web.Response:
        group = _group(request)
        form = await read_form(request, _LARGEST)
        top = integer(form.fields, "top_k", 10, 1, 10)
        described = await _print(form)
        scores = [
            {
                "feature_id": feature.id,
                "feature_name": feature.name,
                "feature_desc": feature.desc,
                "score": score(described, feature.print),
            }
            for feature in prints.features(group)
        ]
        scores.sort(key=lambda one: -float(str(one["score"])))
        return ok({"feature_score_list": scores[:top]})

    async def _print(form: Form) -> Print:
        data = form.file
        assert data is not None
        rate = integer(form.fields, "sample_rate", _RATE, _RATE, _RATE)
        # One of the SDKs counts the channels from 0.
        integer(form.fields, "channel", 1, 0, 1)
        return await service.worker.run(lambda: voiceprint(decode(data, rate=rate)))

    def _group(request: web.Request) -> Group:
        return prints.group(request.match_info["group_id"], grant(request, service).account)

    def _user(account: str) -> dict[str, str]:
        found = service.accounts.get(account)
        return {
            "id": found.user_id,
            "name": found.user_name,
            "nickname": found.nick_name,
            "avatar_url": found.avatar_url,
        }

    base = "/v1/audio/voiceprint_groups"
    one = f"{base}/{{group_id}}"
    return [
        web.post(base, create_group),
        web.get(base, groups),
        web.put(one, change_group),
        web.delete(one, delete_group),
        web.post(f"{one}/features", create),
        web.get(f"{one}/features", features),
        web.put(f"{one}/features/{{feature_id}}", change),
        web.delete(f"{one}/features/{{feature_id}}", delete),
        web.post(f"{one}/speaker_identify", identify),
    ]


def _page(request: web.Request, found: list[dict[str, Any]]) -> web.Response:
    page_num = integer(request.query, "page_num", 1, 1)
    items, _, total = page_of(found, page_num, integer(request.query, "page_size", 10, 1, 100))
    return ok({"items": items, "total": total})
