"""TLS for the emulator: a throw-away certificate authority, made anew at each start.

The official SDKs insist on ``https://`` bases. Only the authority's certificate is written down,
for a client to trust; its key never leaves this process.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.errors import UsageError

NAMES = ("localhost", "127.0.0.1", "::1", "api.localhost", "ws.localhost")


def make_context(ca_file: Path, host: str) -> ssl.SSLContext:
    """A server context for loopback names and ``host``; writes the authority to ``ca_file`` (PEM).

    Raises ``UsageError`` where the file cannot be written or the package is missing.
    """
    try:
        import trustme
    except ImportError as error:
        raise UsageError(
            "TLS needs the package 'trustme'", remedy="Type: pip install 'talkbox[emulator]'"
        ) from error
    authority = trustme.CA(organization_name="talkbox emulator")
    names = dict.fromkeys((*NAMES, *([host] if host not in ("0.0.0.0", "::") else [])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    try:
        ca_file.write_bytes(authority.cert_pem.bytes())
    except OSError as error:
        raise UsageError(f"cannot write {ca_file}: {error.strerror}") from error
    return context
