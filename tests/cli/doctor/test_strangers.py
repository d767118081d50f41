"""What the doctor says of Ray's doors: nothing is called safe that was not knocked at."""

from __future__ import annotations

import errno
import http.server
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from matscout.cli.doctor import auto, strangers
from matscout.cli.doctor.finding import Finding

TOKEN = "d41d8cd98f00b204e9800998ecf8427e"


def knock(address: str | None) -> list[Finding]:
    found = strangers.check(address)
    assert found
    for finding in found:
        assert (finding.mend == "") == (finding.state == "ok"), finding
    return found


@contextmanager
def answering(status: int, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A web server on the loopback interface that gives everybody the same answer; its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert not self.headers.get("Authorization")
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def listening(then: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port of the loopback interface that takes calls and does `then` with each; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken = []
            try:
                while True:
                    taken.append(server.accept()[0])
                    with suppress(OSError):
                        then(taken[-1])
            except OSError:  # it is over
                for call in taken:
                    call.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "fail"), (302, "fail"), (404, "fail"), (405, "fail"), (500, "fail"), (401, "ok"), (403, "ok")],
)  # fmt: skip
def test_an_unauthenticated_jobs_call_must_be_refused(
    status: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(status) as port:
        (found,) = knock(f"http://127.0.0.1:{port}")
        assert found.state == state and str(status) in found.said
        monkeypatch.setattr(strangers, "DOORS", {port: "/api/jobs/"})
        assert [f.state for f in knock("ray://127.0.0.1")] == [state]
        assert [f.state for f in knock(None)] == [state], "a plain doctor knocks here"
    if state == "fail":
        assert "RAY_AUTH_MODE=token" in found.mend


def test_an_open_server_with_a_certificate_of_its_own_is_open(tmp_path: Path) -> None:
    """A stranger does not look at certificates."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=cluster", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    for status, state in ((200, "fail"), (401, "ok")):
        with answering(status, tls) as port:
            (found,) = knock(f"https://127.0.0.1:{port}")
            assert found.state == state and str(status) in found.said
    with answering(200, tls) as port:
        (found,) = knock(f"http://127.0.0.1:{port}")
        assert found.state == "warn" and "https://" in found.mend


def test_where_nothing_listens_nobody_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200) as port:
        pass
    monkeypatch.setattr(strangers, "DOORS", {port: "/api/jobs/"})
    jobs, head = knock(f"127.0.0.1:{port}")
    assert (jobs.state, head.state) == ("ok", "warn")
    assert [f.state for f in knock(None)] == ["ok"]


def hang_up(call: socket.socket) -> None:
    call.recv(1)
    call.close()


def reset(call: socket.socket) -> None:
    call.recv(1)
    call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.close()


@pytest.mark.parametrize(
    ("then", "word"),
    [
        (hang_up, "without an answer"),
        (reset, "without an answer"),
        (lambda call: call.sendall(b"220 mail.example.org ESMTP\r\n"), "no web server"),
    ],
)
def test_a_port_that_does_not_say_is_not_called_safe(
    then: Callable[[socket.socket], object], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_WAIT_S", 60.0)  # a busy machine is not to be a silent one
    with listening(then) as port:
        (found,) = knock(f"http://127.0.0.1:{port}")
        assert found.state == "warn" and word in found.said, found
        (found,) = knock(f"https://127.0.0.1:{port}")
        assert found.state == "warn" and "http://" in found.mend, found


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_port_that_says_nothing_is_not_called_safe(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_WAIT_S", 0.1)
    with listening(lambda call: None) as port:
        (found,) = knock(f"{scheme}://127.0.0.1:{port}")
    assert found.state == "warn" and "says nothing for 0.1 s" in found.said


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EHOSTUNREACH, "No route to host"),
        PermissionError(errno.EACCES, "Permission denied"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        UnicodeError("label too long"),
    ],
)
def test_a_door_that_nobody_reached_is_not_called_safe(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fails)
    assert {f.state for f in knock("cluster")} == {"warn"}


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        ([ConnectionRefusedError(), ConnectionRefusedError()], "ok"),
        ([OSError(errno.EADDRNOTAVAIL, "no IPv6 here"), ConnectionRefusedError()], "ok"),
        ([TimeoutError(), ConnectionRefusedError()], "warn"),
        ([OSError(errno.EADDRNOTAVAIL, "no IPv6 here")], "warn"),
    ],
)
def test_every_address_of_a_host_must_refuse(
    errors: list[OSError], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ExceptionGroup("create_connection failed", errors)

    monkeypatch.setattr(socket, "create_connection", fails)
    assert {f.state for f in knock("cluster")} == {state}


@pytest.mark.parametrize(
    "address", ["host:port", "", "ray://", "http://[::1", "::1", "h:99999", "a b", "local"]
)
def test_an_address_that_leads_nowhere_is_not_called_safe(address: str) -> None:
    assert {f.state for f in knock(address)} == {"warn"}


def test_a_url_leads_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the port that its scheme stands for, and below its path; a dashboard's own port besides."""
    asked: list[tuple[str, int, str, bool]] = []

    def status(door: strangers.Door) -> int:
        asked.append((door.host, door.port, door.path, door.secure))
        return 401

    monkeypatch.setattr(strangers, "_status", status)
    knock("https://lab.edu/ray/")
    knock("http://[::1]:80/")
    path = "/ray/api/jobs/"
    assert asked == [
        ("lab.edu", 443, path, True), ("lab.edu", 8265, path, True), ("::1", 80, "/api/jobs/", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "state"), [("welcome", "fail"), ("AuthenticationError", "ok"), ("", "warn")]
)
def test_a_head_must_refuse_a_driver_without_a_token(
    answer: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_JOIN", f"print({answer!r})")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setattr(strangers, "DOORS", {})
    with answering(200) as port:
        (found,) = knock(f"127.0.0.1:{port}")
    assert found.what.startswith("ray head") and found.state == state


def test_the_stranger_has_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_JOIN", "import os; print(dict(os.environ))")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setattr(strangers, "DOORS", {})
    with answering(200) as port:
        said = knock(f"127.0.0.1:{port}")[0].said
    assert TOKEN not in said and "'RAY_AUTH_MODE': 'disabled'" in said
    assert f"'HOME': '{os.devnull}'" in said


# -- what `auto` stands for --------------------------------------------------------------------------


def raylet(proc: Path, pid: int, gcs: str, node: str) -> None:
    """A process as Ray 2.60 starts it: some words are whole commands."""
    (proc / str(pid)).mkdir(parents=True)
    words = ["/lib/ray/core/src/ray/raylet/raylet", f"--node_ip_address={node}", "--node_id=1f",
             f"--python_worker_command=python default_worker.py --node-ip-address=RAY_NODE_IP --gcs-address={gcs}",
             f"--gcs-address={gcs}", "--session-name=s"]  # fmt: skip
    (proc / str(pid) / "cmdline").write_bytes("\0".join(words).encode() + b"\0")


def test_auto_is_what_ray_takes_it_for(tmp_path: Path) -> None:
    proc, temporary = tmp_path / "proc", tmp_path / "tmp"
    (proc / "7").mkdir(parents=True)
    (proc / "7" / "cmdline").write_bytes(b"vi\0raylet\0--gcs-address=10.9.9.9:1\0")
    (proc / "8").mkdir()  # it ended just now
    environment = {"TMPDIR": str(temporary)}
    assert auto.addresses(environment, proc) == []
    assert auto.hosts(proc)[0] == "127.0.0.1"

    (temporary / "ray").mkdir(parents=True)
    (temporary / "ray" / "ray_current_cluster").write_text("10.0.0.4:6379\n")
    assert auto.addresses(environment, proc) == ["10.0.0.4:6379"]
    raylet(proc, 10, "10.0.0.5:6379", "10.0.0.7")
    assert auto.addresses(environment, proc) == ["10.0.0.5:6379"], "that of the raylet that runs"
    assert auto.hosts(proc) == ["127.0.0.1", "10.0.0.7"]
    raylet(proc, 11, "10.0.0.6:6379", "127.0.0.1")
    assert auto.addresses(environment, proc) == ["10.0.0.4:6379"], "`ray start` decides"
    assert auto.addresses({"RAY_TMPDIR": "/nowhere"}, proc) == ["10.0.0.5:6379", "10.0.0.6:6379"]
    for said in ("", "auto"):
        assert auto.addresses({**environment, "RAY_ADDRESS": said}, proc) == ["10.0.0.4:6379"]
    assert auto.addresses({**environment, "RAY_ADDRESS": "head:6379"}, proc) == ["head:6379"]


def test_auto_knocks_at_the_cluster_and_at_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_JOIN", "print('AuthenticationError')")
    monkeypatch.setattr(auto, "hosts", lambda: ["127.0.0.1", "localhost"])
    with answering(200) as port:
        monkeypatch.setattr(strangers, "DOORS", {port: "/api/jobs/"})
        monkeypatch.setenv("RAY_ADDRESS", f"localhost:{port}")
        assert [(f.what, f.state) for f in knock("auto")] == [
            (f"jobs api localhost:{port}", "fail"),
            (f"jobs api 127.0.0.1:{port}", "fail"),
            (f"ray head localhost:{port}", "ok"),
        ]


def test_auto_without_a_cluster_still_knocks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "addresses", lambda _: [])
    monkeypatch.setattr(auto, "hosts", lambda: ["127.0.0.1"])
    with answering(200) as port:
        monkeypatch.setattr(strangers, "DOORS", {port: "/api/jobs/"})
        head, jobs = knock("auto")
    assert (head.state, jobs.state) == ("warn", "fail") and "RAY_ADDRESS" in head.said
