import ssl

import pytest

from agent.coze.tlserror import tls_error


@pytest.mark.parametrize(
    ("verify_code", "code"),
    [
        (9, "tls-clock"),
        (10, "tls-clock"),
        (62, "tls-hostname"),
        (64, "tls-hostname"),
        (18, "tls-untrusted"),
        (19, "tls-untrusted"),
        (20, "tls-untrusted"),
    ],
)
def test_what_a_person_would_do_about_it_decides(verify_code, code):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = verify_code, "as it is"
    shown = tls_error("host:443", error)
    assert shown.code == code and "host:443" in shown.message and shown.remedy


def test_anything_else_is_named_by_its_reason():
    error = ssl.SSLError(1, "[SSL: X] x")
    assert tls_error("host:443", error).code == "closed"
