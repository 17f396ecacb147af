"""Reading what the form of a page sent."""

from __future__ import annotations

from aiohttp import web

from agent.emulator.envelope import ApiError

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def posted(request: web.Request) -> dict[str, str]:
    """The fields as text; of several with one name the last. Raises ``ApiError`` 4000."""
    try:
        found = {name: str(value) for name, value in (await request.post()).items()}
        "".join([*found, *found.values()]).encode()
    # The charset is the client's claim: it may not exist, or the bytes may not be of it.
    except (ValueError, LookupError):
        raise ApiError(4000, "invalid parameter: the form cannot be read", 400) from None
    return found
