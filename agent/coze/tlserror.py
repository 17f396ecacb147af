"""What a failed TLS handshake means for a person. There is no way around verification."""

from __future__ import annotations

import ssl
import time

from agent.coze.refusal import DialError

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 9, 10, 62, 64


def tls_error(place: str, error: ssl.SSLError) -> DialError:
    """Why TLS failed, told apart by what a person would do about it."""
    verify_code = getattr(error, "verify_code", None)
    clock = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    if verify_code in (_NOT_YET_VALID, _EXPIRED):
        state = "is not valid yet" if verify_code == _NOT_YET_VALID else "has expired"
        return DialError(
            f"the certificate of {place} {state} by this device's clock ({clock} UTC)",
            remedy="Check the date of the device; if it is right, the service has to act.",
            code="tls-clock",
        )
    if verify_code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
        return DialError(
            f"the certificate shown for {place} belongs to another host name",
            remedy="Check the service address, and whether this Wi-Fi wants a sign-in first.",
            code="tls-hostname",
        )
    if verify_code is not None:
        return DialError(
            f"the certificate of {place} is not trusted: "
            f"{getattr(error, 'verify_message', 'unknown issuer')}",
            remedy="Check whether this Wi-Fi wants a sign-in first, or set the certificate file "
            "of a private service.",
            code="tls-untrusted",
        )
    reason = getattr(error, "reason", None) or "EOF"
    if "EOF" in reason:
        return DialError(
            f"{place} closed the connection during the TLS handshake",
            remedy="Check the service address and its port.",
            code="closed",
        )
    return DialError(
        f"{place} does not speak TLS as it should ({reason.replace('_', ' ').lower()})",
        remedy="Check the service address and its port.",
        code="tls",
    )
