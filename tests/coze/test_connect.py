import contextlib
import datetime
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from websockets.sync.server import serve

from agent.coze import connect, resolver
from agent.coze.connect import dial
from agent.coze.refusal import DialError
from agent.coze.socket import Socket, SocketSettings
from agent.coze.target import Target
from agent.errors import ConfigError, NotPermitted, TalkboxError
from tests.coze.loopback import TOKEN, answer, raw_server, read_request, target, ws_server


def failure(port: int, timeout: float = 3.0, to: Target | None = None) -> TalkboxError:
    """The error of dialling; it never shows the token."""
    with pytest.raises(TalkboxError) as caught:
        dial(to or target(port), timeout)
    assert TOKEN not in f"{caught.value} {caught.value.remedy} {caught.value!r}"
    return caught.value


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def envelope(code: int, text: str = "", logid: str = "LOG1") -> bytes:
    return json.dumps({"code": code, "msg": text, "detail": {"logid": logid}}).encode()


class TestRefusals:
    @pytest.mark.parametrize(
        ("response", "kind", "code", "words"),
        [
            (http("401 Unauthorized", envelope(4100)), NotPermitted, "4100", "token"),
            (http("401 Unauthorized"), NotPermitted, "4100", "token"),
            (http("403 Forbidden", envelope(4101)), NotPermitted, "4101", "permission"),
            (http("400 Bad Request", envelope(4006)), ConfigError, "4006", "bot"),
            (http("400 Bad Request", envelope(4015)), ConfigError, "4015", "published"),
            (http("200 OK", envelope(4100)), NotPermitted, "4100", "token"),
            (http("404 Not Found", b"<html>"), DialError, "http-404", "no voice chat"),
            (http("500 Oops"), DialError, "500", "internal error"),
            (http("302 Found", b"", "Location: http://portal"), DialError, "http-302", "elsewhere"),
            (http("200 OK", b"<html>hello"), DialError, "not-websocket", "voice-chat protocol"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", DialError, "not-websocket", "voice-chat protocol"),
            (b"\x00\x01\x02" * 100, DialError, "not-websocket", "voice-chat protocol"),
            (b"HTTP/1.0 403 Forbidden\r\n\r\n", NotPermitted, "4101", "permission"),
            (b"", DialError, "closed", "without an answer"),
        ],
    )
    def test_each_answer_becomes_one_clear_error(self, response, kind, code, words):
        with raw_server(lambda connection: answer(connection, response)) as port:
            error = failure(port)
        assert type(error) is kind and error.code == code
        assert words in error.message and "\n" not in str(error)

    def test_the_log_id_and_the_wording_of_the_platform_are_kept(self):
        body = envelope(4101, "no\nscope " + TOKEN)
        with raw_server(lambda c: answer(c, http("403 Forbidden", body))) as port:
            error = failure(port)
        assert error.logid == "LOG1" and "no scope [token]" in error.message

    def test_the_header_wins_over_the_body_for_the_log_id(self):
        response = http("401 No", envelope(4100), "X-Tt-Logid: HEAD1")
        with raw_server(lambda c: answer(c, response)) as port:
            assert failure(port).logid == "HEAD1"

    @pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
    def test_retry_after_is_kept(self, status):
        with raw_server(lambda c: answer(c, http(status, b"", "Retry-After: 17"))) as port:
            error = failure(port)
        assert isinstance(error, DialError) and error.retry_after == 17.0

    def test_a_body_without_end_does_not_take_all_the_time(self):
        def script(connection: socket.socket) -> None:
            answer(connection, b"HTTP/1.1 401 Unauthorized\r\n\r\nwait")
            time.sleep(3)

        with raw_server(script) as port:
            begin = time.monotonic()
            error = failure(port, timeout=8)
        assert isinstance(error, NotPermitted)
        assert time.monotonic() - begin < 2.5

    def test_an_upgrade_with_a_wrong_key_is_refused(self):
        response = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
        )
        with raw_server(lambda c: answer(c, response)) as port:
            assert failure(port).code == "not-websocket"


class TestNetwork:
    def test_nobody_listens(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            error = failure(bound.getsockname()[1])
        assert error.code == "refused" and "refused" in error.message

    def test_a_silent_server_costs_the_timeout_and_no_more(self):
        with raw_server(lambda connection: time.sleep(3)) as port:
            begin = time.monotonic()
            error = failure(port, timeout=0.4)
        assert error.code == "timeout" and "0.4 s" in error.message
        assert 0.35 < time.monotonic() - begin < 1.5

    def test_a_server_that_trickles_does_not_extend_the_deadline(self):
        def script(connection: socket.socket) -> None:
            read_request(connection)
            for byte in b"HTTP/1.1 200 OK" + b" " * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

        with raw_server(script) as port:
            begin = time.monotonic()
            assert failure(port, timeout=0.5).code == "timeout"
        assert time.monotonic() - begin < 1.5

    def test_giving_up_is_noticed_soon(self):
        cancel = threading.Event()
        threading.Timer(0.1, cancel.set).start()
        with raw_server(lambda connection: time.sleep(3)) as port:
            begin = time.monotonic()
            with pytest.raises(DialError) as caught:
                dial(target(port), 10.0, cancel)
        assert caught.value.code == "cancelled" and time.monotonic() - begin < 1.0

    def test_an_unknown_name(self, monkeypatch):
        def fail(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        error = failure(0, to=Target("ws://nowhere.local:9/", TOKEN))
        assert error.code == "dns" and "nowhere.local is not known" in error.message

    def test_a_silent_name_server_does_not_hold_the_attempt_nor_pile_up_threads(self, monkeypatch):
        release = threading.Event()
        lookups = []

        def hang(host: str, port: int, *, flags: int, **_: object) -> None:
            if not flags:
                lookups.append(host)
                release.wait(5)
            raise socket.gaierror(socket.EAI_AGAIN, "again")

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        slow = Target("ws://slow.local:9/")
        for _ in range(3):
            begin = time.monotonic()
            assert failure(0, timeout=0.2, to=slow).code == "timeout"
            assert time.monotonic() - begin < 1.0
        assert lookups == ["slow.local"]
        release.set()
        # Once it has failed, the next attempt asks anew and gets the answer itself.
        limit = time.monotonic() + 2
        while resolver.Lookup._running and time.monotonic() < limit:
            time.sleep(0.01)
        assert failure(0, to=slow).code == "dns"

    def test_the_second_address_is_tried_when_the_first_is_dead(self, monkeypatch):
        real = socket.getaddrinfo

        def two(host: str, port: int, **options: object) -> list[object]:
            if host != "two.local":
                return real(host, port, **options)  # type: ignore[arg-type]
            if options["flags"]:
                raise socket.gaierror(socket.EAI_NONAME, "no number")
            tcp = (socket.SOCK_STREAM, 6, "")
            return [
                (socket.AF_INET6, *tcp, ("::1", port, 0, 0)),  # nobody listens there
                (socket.AF_INET, *tcp, ("127.0.0.1", port)),
            ]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        with ws_server(lambda connection: connection.recv() and None) as port:
            connected = dial(Target(f"ws://two.local:{port}/"), 3.0)
            assert connected.sock.getpeername()[0] == "127.0.0.1"
            connected.sock.close()

    def test_a_slow_address_does_not_keep_the_next_one_waiting(self, monkeypatch):
        monkeypatch.setattr(connect, "_NEXT_ADDRESS_S", 0.05)
        full = socket.socket()  # a listener whose queue is full does not answer
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        with ws_server(lambda connection: connection.recv() and None) as port:
            attempt = connect._Attempt(
                target(port), time.monotonic() + 3, threading.Event(), timeout=3.0
            )
            begin = time.monotonic()
            sock = attempt.connect(
                [
                    (socket.AF_INET, full.getsockname()),
                    (socket.AF_INET, ("127.0.0.1", port)),
                ]
            )
            assert sock.getpeername()[1] == port and time.monotonic() - begin < 0.8
            sock.close()
        for filler in [*fillers, full]:
            filler.close()


CA = """[ca]
default_ca=c
[c]
new_certs_dir={place}
database={place}/index.txt
default_md=sha256
rand_serial=yes
policy=p
copy_extensions=copy
unique_subject=no
[p]
commonName=supplied
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Self-signed certificates: for localhost now, in the past and future, and for another name."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    place = tmp_path_factory.mktemp("tls")
    (place / "index.txt").touch()
    (place / "ca.cnf").write_text(CA.format(place=place))

    def openssl(*command: str) -> None:
        subprocess.run(["openssl", *command], check=True, capture_output=True, cwd=place)

    def make(file: str, host: str, start: str, end: str) -> None:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        name = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}")
        key, request = f"{file}.key", f"{file}.csr"
        openssl("req", "-new", *curve, *name, "-keyout", key, "-out", request)
        signing = ("-selfsign", "-keyfile", key, "-in", request, "-out", f"{file}.pem")
        dates = ("-startdate", start, "-enddate", end)
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", *signing, *dates)

    now = datetime.datetime.now(datetime.UTC)
    times = [now + datetime.timedelta(days=days) for days in (-20, -10, 10, 20)]
    long_ago, before, soon, later = (f"{t:%Y%m%d%H%M%SZ}" for t in times)
    make("localhost", "localhost", before, soon)
    make("elsewhere.example", "elsewhere.example", before, soon)
    make("past", "localhost", long_ago, before)
    make("future", "localhost", soon, later)
    return place


@pytest.fixture
def tls_server(certificates):
    """Serves one message over TLS with the named certificate, then echoes."""

    @contextlib.contextmanager
    def start(name: str, **versions: object):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        for option, value in versions.items():
            setattr(context, option, value)

        def handler(connection) -> None:
            connection.send("x" * 100_000)
            for message in connection:
                connection.send(message)

        with serve(handler, "127.0.0.1", 0, ssl=context, compression=None) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.socket.getsockname()[1]
            server.shutdown()

    return start


class TestTls:
    def trusted(self, certificates, port: int, name: str = "localhost") -> Target:
        return Target(f"wss://localhost:{port}/", TOKEN, str(certificates / f"{name}.pem"))

    def test_a_trusted_server_talks_through_the_socket(self, certificates, tls_server):
        with tls_server("localhost") as port:
            sock = Socket(self.trusted(certificates, port), SocketSettings())
            sock.start(0.0)
            big = "y" * 400_000
            events = []
            sent = False
            limit = time.monotonic() + 5
            while len(events) < 3:
                events += sock.pump(1.0)
                if events and not sent:
                    sent = sock.send(big, t=1.0)
                time.sleep(0.002)
                assert time.monotonic() < limit, events
            assert [len(event.data) for event in events[1:]] == [100_000, 400_000]
            sock.close(t=1.0)
            while not events[3:]:
                events += sock.pump(1.5)
                time.sleep(0.002)
                assert time.monotonic() < limit
            assert events[3].code == 1000 and events[3].error is None

    def test_an_unknown_issuer_is_refused(self, tls_server):
        with tls_server("localhost") as port:
            error = failure(0, to=Target(f"wss://localhost:{port}/", TOKEN))
        assert error.code == "tls-untrusted" and "not trusted" in error.message

    def test_another_host_name_is_refused(self, certificates, tls_server):
        with tls_server("elsewhere.example") as port:
            error = failure(0, to=self.trusted(certificates, port, "elsewhere.example"))
        assert error.code == "tls-hostname" and "host name" in error.message

    @pytest.mark.parametrize(
        ("name", "words"), [("past", "has expired"), ("future", "is not valid yet")]
    )
    def test_a_certificate_of_another_time_names_the_clock(
        self, certificates, tls_server, name, words
    ):
        with tls_server(name) as port:
            error = failure(0, to=self.trusted(certificates, port, name))
        assert error.code == "tls-clock" and words in error.message
        assert str(datetime.datetime.now(datetime.UTC).year) in error.message

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_an_outdated_protocol_is_refused(self, certificates, tls_server):
        with tls_server("localhost", maximum_version=ssl.TLSVersion.TLSv1_1) as port:
            error = failure(0, to=self.trusted(certificates, port))
        assert error.code in ("tls", "closed")

    def test_a_server_without_tls(self, certificates):
        script = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        with raw_server(lambda connection: connection.sendall(script)) as port:
            error = failure(0, to=self.trusted(certificates, port))
        assert error.code == "tls" and "does not speak TLS" in error.message

    def test_a_server_that_hangs_up_in_the_handshake(self, certificates):
        with raw_server(lambda connection: connection.recv(4096) and None) as port:
            error = failure(0, to=self.trusted(certificates, port))
        assert error.code == "closed"

    def test_a_silent_handshake_ends_at_the_deadline(self, certificates):
        with raw_server(lambda connection: time.sleep(2)) as port:
            error = failure(0, timeout=0.3, to=self.trusted(certificates, port))
        assert error.code == "timeout"

    def test_a_certificate_file_of_no_use(self, tmp_path, certificates):
        empty = tmp_path / "empty.pem"
        empty.write_text("")
        with raw_server(lambda connection: time.sleep(1)) as port:
            for name in (empty, tmp_path / "missing.pem"):
                to = Target(f"wss://localhost:{port}/", TOKEN, str(name))
                assert isinstance(failure(0, to=to), ConfigError)
