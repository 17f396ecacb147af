import logging
import socket
import threading
import time
import tracemalloc

import pytest
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection

from agent.coze.connect import Connected
from agent.coze.refusal import DialError
from agent.coze.socket import Closed, Opened, Received, Socket, SocketSettings
from agent.coze.target import Target
from agent.errors import ServiceUnreachable
from tests.coze.loopback import TOKEN, Drive, raw_server, read_request, target, ws_server


def accept(connection: socket.socket) -> ServerProtocol:
    """The server's half of an upgrade by hand, for servers that then misbehave."""
    protocol = ServerProtocol()
    protocol.receive_data(read_request(connection))
    protocol.send_response(protocol.accept(protocol.events_received()[0]))
    connection.sendall(b"".join(protocol.data_to_send()))
    return protocol


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def stall(connection: socket.socket) -> None:
    accept(connection)
    time.sleep(3)


class TestConversation:
    def test_opens_echoes_in_order_and_closes(self):
        with ws_server(echo) as port:
            drive = Drive(port)
            assert not drive.socket.send("early", droppable=True, t=drive.t)
            opened = drive.open()
            assert opened.t == drive.t and drive.socket.is_open and drive.socket.fileno() >= 0
            for text in ("one", "zwei", "三"):
                assert drive.socket.send(text, t=drive.t)
            drive.until(lambda: len(drive.messages()) == 3)
            drive.socket.close(1000, "bye", t=drive.t)
            assert not drive.socket.send("late", t=drive.t)
            assert drive.closed() == Closed(1000, "bye", None, drive.t)
            assert drive.messages() == ["one", "zwei", "三"]
            assert drive.socket.fileno() == -1 and drive.socket.deadline() is None
            assert drive.socket.dropped == 1

    def test_the_log_id_of_the_upgrade_is_kept(self):
        def handler(connection: socket.socket) -> None:
            protocol = ServerProtocol()
            protocol.receive_data(read_request(connection))
            response = protocol.accept(protocol.events_received()[0])
            response.headers["X-Tt-Logid"] = "2025ABC"
            protocol.send_response(response)
            protocol.send_text(b"first words")
            connection.sendall(b"".join(protocol.data_to_send()))
            time.sleep(1)

        with raw_server(handler) as port:
            drive = Drive(port)
            assert drive.open().logid == "2025ABC"
            # A message that came in the same segment as the upgrade is not lost.
            drive.until(lambda: drive.messages() == ["first words"])
            drive.socket.abort()

    def test_large_fragmented_and_binary_messages_arrive_whole(self):
        large = "x" * 3_000_000

        def handler(connection: ServerConnection) -> None:
            connection.send(large)
            connection.send(["a", "b", "c"])
            connection.send(b"\x00\xff")
            connection.recv()

        with ws_server(handler) as port:
            drive = Drive(port)
            drive.until(lambda: len(drive.messages()) == 3)
            assert drive.messages() == [large, "abc", b"\x00\xff"]
            drive.socket.abort()

    def test_a_large_message_goes_out_in_parts(self):
        with ws_server(echo) as port:
            drive = Drive(port)
            drive.open()
            large = "y" * 700_000
            drive.socket.send(large, t=drive.t)
            assert drive.socket.wants_write and drive.socket.queued > 0
            drive.until(lambda: drive.messages() == [large])
            assert not drive.socket.wants_write and drive.socket.queued == 0
            drive.socket.abort()

    def test_text_that_is_no_utf8_is_handed_over_as_bytes(self):
        def handler(connection: socket.socket) -> None:
            protocol = accept(connection)
            protocol.send_text(b'{"a":"\xff"}')
            protocol.send_text(b"fine")
            connection.sendall(b"".join(protocol.data_to_send()))
            time.sleep(1)

        with raw_server(handler) as port:
            drive = Drive(port)
            drive.until(lambda: len(drive.messages()) == 2)
            assert drive.messages() == [b'{"a":"\xff"}', "fine"]
            drive.socket.abort()

    def test_reading_is_bounded_per_call(self):
        def handler(connection: ServerConnection) -> None:
            for _ in range(40):
                connection.send("z" * 50_000)
            connection.recv()

        with ws_server(handler) as port:
            drive = Drive(port, SocketSettings(read_budget=1))
            drive.open()
            # The server may need its time to get ahead of us by more than one message.
            limit = time.monotonic() + 10
            before = len(drive.messages())
            while not drive.socket.more and time.monotonic() < limit:
                time.sleep(0.05)
                before = len(drive.messages())
                drive.pump()
            assert drive.socket.more and drive.socket.deadline() == 0.0
            assert len(drive.messages()) - before <= 2
            drive.until(lambda: len(drive.messages()) == 40)
            drive.socket.abort()

    def test_a_ping_is_answered_though_nothing_else_is_sent(self):
        answered = threading.Event()

        def handler(connection: ServerConnection) -> None:
            if connection.ping().wait(2):
                answered.set()
            connection.recv()

        with ws_server(handler) as port:
            drive = Drive(port)
            drive.open()
            drive.until(answered.is_set)
            drive.socket.abort()


class TestEnd:
    @pytest.mark.parametrize("code", [1000, 1001, 1012])
    def test_a_polite_end_is_no_error(self, code):
        with ws_server(lambda connection: connection.close(code, "over")) as port:
            assert Drive(port).closed() == Closed(code, "over", None, 100.0)

    @pytest.mark.parametrize("code", [1008, 1011, 1013, 4001])
    def test_any_other_close_code_is_an_error_that_names_it(self, code):
        with ws_server(lambda connection: connection.close(code, "no more")) as port:
            closed = Drive(port).closed()
            assert closed.code == code and closed.reason == "no more"
            assert isinstance(closed.error, ServiceUnreachable)
            assert closed.error.code == str(code) and str(code) in str(closed.error)

    def test_an_end_without_a_close_frame_is_1006(self):
        with raw_server(lambda connection: accept(connection) and None) as port:
            closed = Drive(port).closed()
            assert closed.code == 1006 and isinstance(closed.error, ServiceUnreachable)

    def test_a_reset_is_noticed_at_once(self):
        def handler(connection: socket.socket) -> None:
            accept(connection)
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        with raw_server(handler) as port:
            closed = Drive(port).closed()
            assert closed.code == 1006 and isinstance(closed.error, ServiceUnreachable)
            assert closed.error.code in ("lost", "1006")

    def test_a_message_above_the_limit_ends_the_connection_with_1009(self):
        def handler(connection: ServerConnection) -> None:
            connection.send("x" * 20_000)
            connection.recv()

        with ws_server(handler) as port:
            closed = Drive(port, SocketSettings(max_message_bytes=10_000)).closed()
            assert closed.code == 1009 and "10000 bytes" in str(closed.error)

    def test_a_frame_that_is_not_allowed_ends_the_connection_with_1002(self):
        def handler(connection: socket.socket) -> None:
            accept(connection)
            connection.sendall(b"\xff\xff\xff\xff" * 10)
            connection.recv(4096)

        with raw_server(handler) as port:
            assert Drive(port).closed().code == 1002

    def test_a_server_that_ignores_our_close_is_left_after_a_second(self):
        with raw_server(stall) as port:
            drive = Drive(port)
            drive.open()
            drive.socket.close(t=drive.t)
            drive.pump()
            assert drive.socket.deadline() == pytest.approx(drive.t + 1.0)
            assert not isinstance(drive.events[-1], Closed)
            drive.t += 1.0
            assert drive.closed() == Closed(1000, "", None, drive.t)

    def test_what_is_queued_goes_before_the_close_but_audio_does_not(self):
        received: list[str | bytes] = []
        done = threading.Event()

        def handler(connection: ServerConnection) -> None:
            time.sleep(0.2)  # let the client's queue fill
            received.extend(connection)
            done.set()

        with ws_server(handler) as port:
            drive = Drive(port)
            drive.open()
            big = "b" * 3_000_000
            drive.socket.send(big[:900_000], t=drive.t)
            drive.socket.send("audio", droppable=True, t=drive.t)
            drive.socket.send("cancel", t=drive.t)
            drive.socket.close(t=drive.t)
            assert drive.closed().code == 1000
            assert done.wait(2)
            assert [message[:6] for message in received] == ["bbbbbb", "cancel"]

    def test_closing_while_connecting_gives_up(self):
        with raw_server(lambda connection: time.sleep(1)) as port:
            drive = Drive(port)
            drive.pump()
            assert drive.socket.fileno() == -1 and drive.events == []
            drive.socket.close(t=drive.t)
            assert drive.socket.deadline() == 0.0
            drive.pump()
            assert drive.events == [Closed(1000, "", None, drive.t)]

    def test_abort_says_nothing_and_a_late_connection_is_closed(self):
        ours, theirs = socket.socketpair()
        release, woken = threading.Event(), threading.Event()

        def slow(*_: object, **__: object) -> Connected:
            release.wait(2)
            return Connected(ours, None, [], "")  # type: ignore[arg-type]

        sock = Socket(Target("ws://localhost/"), wake=woken.set, dial=slow)
        sock.start(0.0)
        sock.abort()
        release.set()
        assert woken.wait(2)
        assert sock.pump(1.0) == [] and ours.fileno() == -1
        theirs.close()

    def test_a_socket_connects_once(self):
        with ws_server(echo) as port:
            drive = Drive(port)
            drive.open()
            with pytest.raises(RuntimeError):
                drive.socket.start(drive.t)
            drive.socket.abort()


class TestConnecting:
    def test_a_failure_is_the_last_event_and_wakes_the_loop(self):
        woken = threading.Event()
        refused = socket.socket()
        refused.bind(("127.0.0.1", 0))  # bound, not listening
        sock = Socket(target(refused.getsockname()[1]), wake=woken.set)
        sock.start(5.0)
        assert woken.wait(2) and sock.deadline() == 0.0
        (closed,) = sock.pump(6.0)
        assert isinstance(closed, Closed) and closed.code == 1006 and closed.t == 6.0
        assert isinstance(closed.error, DialError) and closed.error.code == "refused"
        refused.close()

    def test_a_hanging_dial_ends_at_the_deadline_of_the_socket(self):
        release = threading.Event()

        def hangs(*_: object, **__: object) -> Connected:
            release.wait(2)
            raise DialError("late")

        sock = Socket(Target("ws://localhost/"), SocketSettings(open_timeout=10), dial=hangs)
        sock.start(50.0)
        assert sock.pump(59.0) == []
        deadline = sock.deadline()
        assert deadline is not None and 60.0 <= deadline <= 61.0
        (closed,) = sock.tick(deadline)
        assert isinstance(closed, Closed) and isinstance(closed.error, DialError)
        assert closed.error.code == "timeout"
        release.set()

    def test_a_bug_in_dialling_is_not_taken_for_a_dead_network(self, monkeypatch):
        woken = threading.Event()
        printed = threading.Event()
        monkeypatch.setattr(threading, "excepthook", lambda _: printed.set())

        def buggy(*_: object, **__: object) -> Connected:
            raise KeyError("bug")

        sock = Socket(Target("ws://localhost/"), wake=woken.set, dial=buggy)
        sock.start(0.0)
        assert woken.wait(2)
        with pytest.raises(RuntimeError):
            sock.pump(0.1)
        assert printed.wait(2)


class TestKeepalive:
    def test_a_link_that_answers_lives_on(self):
        with ws_server(echo) as port:
            drive = Drive(port, SocketSettings(ping_interval=15, pong_timeout=10))
            drive.open()
            for _ in range(4):
                drive.t = drive.socket.deadline() or 0.0
                drive.pump()
                # The pong takes the tighter deadline away again.
                drive.until(lambda: drive.socket.deadline() == pytest.approx(drive.t + 15))
            assert drive.t == pytest.approx(160.0) and len(drive.events) == 1
            drive.socket.abort()

    def test_a_half_open_link_is_dead_at_the_deadline_and_not_before(self):
        with raw_server(stall) as port:
            drive = Drive(port, SocketSettings(ping_interval=15, pong_timeout=10))
            drive.open()
            assert drive.socket.deadline() == pytest.approx(115.0)
            drive.t = 115.0
            drive.pump()
            assert drive.socket.deadline() == pytest.approx(125.0)
            drive.t = 124.99
            drive.pump()
            assert len(drive.events) == 1
            drive.t = 125.0
            closed = drive.closed()
            assert closed.code == 1006 and closed.t == 125.0
            assert isinstance(closed.error, ServiceUnreachable)
            assert closed.error.code == "keepalive"

    def test_a_conversation_watches_closer(self):
        with raw_server(stall) as port:
            drive = Drive(port)
            drive.open()
            drive.socket.keepalive(2.0, 3.0, drive.t)
            assert drive.socket.deadline() == pytest.approx(102.0)
            for drive.t in (102.0, 104.0, 104.99):
                drive.pump()
            assert len(drive.events) == 1
            drive.t = 105.0
            assert drive.closed().code == 1006

    def test_a_late_tick_looks_for_the_pong_first(self):
        with ws_server(echo) as port:
            drive = Drive(port)
            drive.open()
            drive.t = 115.0
            drive.pump()
            time.sleep(0.1)  # the pong is in the kernel; the loop hung meanwhile
            drive.t = 400.0
            drive.events += drive.socket.tick(drive.t)
            assert len(drive.events) == 1
            drive.socket.abort()

    def test_a_busy_server_without_pongs_is_alive(self):
        stop = threading.Event()

        def talk(connection: socket.socket) -> None:
            protocol = accept(connection)
            while not stop.wait(0.01):
                protocol.send_text(b"more")
                connection.sendall(b"".join(protocol.data_to_send()))

        with raw_server(talk) as port:
            drive = Drive(port)
            drive.open()
            drive.t = 115.0
            drive.pump()
            seen = len(drive.messages())
            drive.until(lambda: len(drive.messages()) > seen)
            drive.t = 126.0
            drive.pump()
            assert not isinstance(drive.events[-1], Closed)
            stop.set()
            drive.socket.abort()


class TestStalledPeer:
    SETTINGS = SocketSettings(ping_interval=1e6, max_droppable=20, max_droppable_s=0.4)

    def test_old_audio_is_dropped_control_survives_and_memory_is_flat(self):
        received: list[str] = []
        go_on = threading.Event()
        done = threading.Event()

        def handler(connection: socket.socket) -> None:
            protocol = accept(connection)
            go_on.wait(10)
            while not done.is_set():
                data = connection.recv(65536)
                if not data:
                    return
                protocol.receive_data(data)
                for frame in protocol.events_received():
                    received.append(bytes(frame.data).decode())
                    if received[-1] == "last":
                        done.set()

        with raw_server(handler, receive_buffer=8192) as port:
            drive = Drive(port, self.SETTINGS)
            drive.open()
            audio = "a" * 900
            controls = 0
            peak = 0
            tracemalloc.start()
            for n in range(5000):  # 100 s of 20 ms frames that nobody reads
                drive.t += 0.02
                drive.socket.send(f"{n:06d}{audio}", droppable=True, t=drive.t)
                if n % 500 == 250:
                    controls += 1
                    drive.socket.send(f"control {controls}", t=drive.t)
                drive.pump()
                assert drive.socket.queued < 25 * 1024
                if n == 1000:
                    before = tracemalloc.get_traced_memory()[0]
            peak = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert peak < 64 * 1024
            assert drive.socket.dropped > 4000
            sent_after = 5000 - drive.socket.dropped
            go_on.set()
            drive.socket.send("last", t=drive.t)
            drive.until(done.is_set)
            assert [text for text in received if "control" in text] == [
                f"control {n + 1}" for n in range(controls)
            ]
            audio_numbers = [int(text[:6]) for text in received if text[:6].isdigit()]
            assert audio_numbers == sorted(audio_numbers)
            assert len(audio_numbers) == sent_after
            # The newest 400 ms are there, without a hole.
            assert audio_numbers[-15:] == list(range(4985, 5000))
            drive.socket.abort()

    def test_what_is_older_than_the_limit_is_not_sent(self):
        with raw_server(stall, receive_buffer=4096) as port:
            drive = Drive(port, self.SETTINGS)
            drive.open()
            while not drive.socket.wants_write:
                drive.socket.send("x" * 4000, t=drive.t)
            for _ in range(10):
                drive.socket.send("audio", droppable=True, t=drive.t)
            queued = drive.socket.queued
            drive.t += 0.39
            drive.pump()
            assert drive.socket.dropped == 0
            drive.t += 0.02
            drive.pump()
            assert drive.socket.dropped == 10 and drive.socket.queued == queued - 50
            drive.socket.abort()

    def test_control_that_piles_up_beyond_reason_ends_the_connection(self):
        with raw_server(stall, receive_buffer=4096) as port:
            drive = Drive(port, SocketSettings(max_queued_bytes=300_000))
            drive.open()
            for _ in range(20_000):
                if not drive.socket.send("c" * 1000, t=drive.t):
                    break
                drive.pump()
            closed = drive.closed()
            assert closed.code == 1006 and isinstance(closed.error, ServiceUnreachable)
            assert closed.error.code == "stalled"


class TestSecrets:
    def test_the_token_is_in_the_header_and_nowhere_else(self, caplog):
        caplog.set_level(logging.DEBUG)
        logging.getLogger("agent.coze.websocket").setLevel(logging.DEBUG)
        requests: list[bytes] = []

        def handler(connection: socket.socket) -> None:
            requests.append(read_request(connection))

        with raw_server(handler) as port:
            drive = Drive(port)
            closed = drive.closed()
            text = f"{drive.socket!r} {drive.socket._target!r} {closed!r} {closed.error}"
        assert TOKEN not in text + caplog.text
        (request,) = requests
        line, _, head = request.decode().partition("\r\n")
        assert TOKEN not in line and f"Authorization: Bearer {TOKEN}\r\n" in head
        assert "\r\nUser-Agent: talkbox/" in head
        assert "Sec-WebSocket-Extensions" not in head

    def test_events_are_plain_values(self):
        assert Opened("l", 1.0) == Opened("l", 1.0)
        assert Received("x", 1.0) != Received(b"x", 1.0)
