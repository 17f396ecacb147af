"""Reading multipart forms: small fields and one file, never more of it than is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from agent.emulator.envelope import ApiError

_MOST_FIELDS = 32
_LONGEST_FIELD = 65_536
_CHUNK = 1 << 18


@dataclass(slots=True)
class Form:
    """``file`` is None where none was sent."""

    fields: dict[str, str] = field(default_factory=dict)
    file: bytes | None = None
    file_name: str = ""


async def read_form(request: web.Request, largest: int, *, required: bool = True) -> Form:
    """The whole form, its file in memory.

    Raises ``ApiError`` 4300 for no or an empty file, 4301 for a second one, 4302 above ``largest``
    bytes, 4000 for what is no form.
    """
    form = Form()
    async for part in parts(request):
        if part.name != "file":
            await read_field(part, form)
            continue
        if form.file is not None:
            raise ApiError(4301, "more than one file was sent", 400)
        content = bytearray()
        while chunk := await part.read_chunk(_CHUNK):
            content += chunk
            if len(content) > largest:
                raise ApiError(4302, f"the file has more than {largest} bytes", 400)
        form.file, form.file_name = bytes(content), part.filename or ""
    if not form.file and (required or form.file is not None):
        raise ApiError(4300, "the file is missing or empty", 400)
    return form


async def parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """The parts of a form. Raises ``ApiError`` 4000."""
    if not request.content_type.startswith("multipart/form-data"):
        raise ApiError(4000, "invalid parameter: the body must be multipart/form-data", 400)
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise ApiError(4000, "invalid parameter: a form within a form", 400)
            yield part
    except ValueError as error:
        raise ApiError(4000, f"invalid parameter: the form is broken: {error}", 400) from None


async def read_field(part: BodyPartReader, form: Form) -> None:
    """A field that is no file."""
    if len(form.fields) >= _MOST_FIELDS:
        raise ApiError(4000, f"invalid parameter: more than {_MOST_FIELDS} fields", 400)
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > _LONGEST_FIELD:
            raise ApiError(4000, f"invalid parameter: {part.name} is too long", 400)
    try:
        form.fields[part.name or ""] = content.decode()
    except UnicodeDecodeError:
        raise ApiError(4000, f"invalid parameter: {part.name} is not UTF-8", 400) from None
