import socket

from agent.coze.resolver import Lookup, addresses


def test_a_number_needs_no_name_service():
    assert addresses("127.0.0.1", 80, socket.AI_NUMERICHOST) == [
        (socket.AF_INET, ("127.0.0.1", 80))
    ]


def test_families_alternate_in_the_order_of_the_resolver(monkeypatch):
    six, four = socket.AF_INET6, socket.AF_INET
    answer = [
        (six, 1, 6, "", "a"),
        (six, 1, 6, "", "b"),
        (six, 1, 6, "", "c"),
        (four, 1, 6, "", "d"),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    assert [address for _, address in addresses("x", 1, 0)] == ["a", "d", "b", "c"]


def test_a_name_that_cannot_be_encoded_is_unknown():
    lookup = Lookup.of("a" * 70 + ".example", 80)
    assert lookup.done.wait(2)
    assert lookup.addresses == [] and lookup.error == socket.EAI_NONAME
