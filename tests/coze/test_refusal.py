import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.refusal import DialError, Refusal, classify_refusal, refusal_of
from agent.errors import NotPermitted, TalkboxError


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"Retry-After": "0"}, None),
            ({"retry-after": "2.5"}, 2.5),
            ({"Retry-After": "-3"}, None),
            ({"Retry-After": "inf"}, None),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
            (
                {
                    "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT",
                    "Date": "Wed, 21 Oct 2015 07:26:30 GMT",
                },
                90.0,
            ),
        ],
    )
    def test_seconds_or_a_date_by_the_clock_of_the_server(self, headers, seconds):
        error = classify_refusal("host:443", Refusal(503, headers))
        assert isinstance(error, DialError) and error.retry_after == seconds

    def test_a_rate_limit_without_a_header_waits_for_its_window(self):
        error = classify_refusal("host:443", Refusal(429))
        assert isinstance(error, DialError) and error.retry_after == 60.0


class TestRefusalOf:
    def test_a_truncated_answer_is_read_as_far_as_it_goes(self):
        seen = b"HTTP/1.0 403 No\r\nX-Tt-Logid: A\r\nbroken line\r\nX: y\r\n\r\nbo"
        refusal = refusal_of(seen)
        assert (refusal.status, refusal.body) == (403, b"bo")
        assert refusal.headers == {"X-Tt-Logid": "A", "X": "y"}
        error = classify_refusal("host:443", refusal)
        assert isinstance(error, NotPermitted) and error.logid == "A"

    @given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda b: b"HTTP/1.1 " + b))
    @settings(max_examples=150, deadline=None)
    def test_whatever_comes_becomes_one_line(self, seen):
        error = classify_refusal("host:443", refusal_of(seen))
        assert isinstance(error, TalkboxError)
        assert str(error).isprintable()

    @given(
        st.integers(100, 599),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists),
    )
    @settings(max_examples=100, deadline=None)
    def test_any_envelope_is_survived(self, status, value):
        body = json.dumps({"code": value, "msg": value, "detail": {"logid": value}}).encode()
        error = classify_refusal("host:443", Refusal(status, {}, body))
        assert str(error).isprintable()
