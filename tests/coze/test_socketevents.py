from websockets.client import ClientProtocol
from websockets.frames import Close
from websockets.uri import parse_uri

from agent.coze.socketevents import verdict
from agent.errors import ServiceUnreachable


def ended(received: Close | None = None, sent: Close | None = None) -> ClientProtocol:
    protocol = ClientProtocol(parse_uri("ws://localhost/"))
    protocol.close_rcvd, protocol.close_sent = received, sent
    return protocol


def test_the_close_frame_of_the_server_decides():
    code, reason, error = verdict(ended(Close(1011, "broken")), "host:443", 9, asked=False)
    assert (code, reason) == (1011, "broken")
    assert isinstance(error, ServiceUnreachable)
    assert error.message == "host:443 closed the connection with code 1011 (broken)"


def test_a_reason_that_is_not_printable_stays_out_of_the_message():
    _, _, error = verdict(ended(Close(4000, "a\nb")), "host:443", 9, asked=False)
    assert error is not None and error.message.endswith("code 4000")


def test_nothing_is_wrong_with_an_end_that_was_asked_for():
    assert verdict(ended(Close(1011, "")), "host:443", 9, asked=True) == (1011, "", None)


def test_silence_is_abnormal():
    code, _, error = verdict(ended(), "host:443", 9, asked=False)
    assert code == 1006 and error is not None and error.code == "1006"
