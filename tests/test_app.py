"""Live runs from end to end: the command line against real servers on loopback, judged by what it reports and saves."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from server import PATIENCE, Server, Step, ok, redirect, refused_port

ROOT = Path(__file__).parent.parent
VERIFY = (sys.executable, "-m", "verifier")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    "PYTHONPATH": str(ROOT),
}
TIME_LIMIT_S = 60
ALWAYS: list[Step] = [ok()] * 100

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="capturing is root's; test_namespace.py captures as an ordinary user"
)
needs_wireshark = pytest.mark.skipif(
    shutil.which("capinfos") is None or shutil.which("tshark") is None,
    reason="tshark and capinfos are not installed: they judge the files (apt-get install tshark)",
)
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed (apt-get install nginx)")


class Ran(NamedTuple):
    status: int
    report: dict[str, Any]
    """Empty where nothing came."""
    said: str
    """Standard error."""
    capture: Path

    @property
    def handshakes(self) -> int:
        return int(self.report["totals"]["handshakes"])

    @property
    def reasons(self) -> set[str]:
        return {missing["code"] for missing in self.report["inconclusive_because"]}


def verify(folder: Path, *argv: str) -> Ran:
    """Runs a command with --json, saving its capture in the folder; `--write` among the words overrides that."""
    capture = folder / "capture.pcapng"
    command = [*VERIFY, argv[0], "--json", "--detail", "exchanges", "--write", str(capture), *argv[1:]]
    done = run(folder, *command)
    return Ran(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr, capture)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT_S, cwd=folder, env=ENVIRONMENT, check=False
    )


def analysed(path: Path, *argv: str) -> dict[str, Any]:
    done = run(path.parent, *VERIFY, "analyze", str(path), "--json", "--detail", "exchanges", *argv)
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def judged_by_wireshark(*command: str) -> str:
    """What one of Wireshark's programs prints, having nothing to complain of."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    complaints = [line for line in done.stderr.splitlines() if "This could be dangerous" not in line]
    assert (done.returncode, complaints) == (0, [])
    return done.stdout


def counted_by_tshark(path: Path, display_filter: str) -> int:
    return len(judged_by_wireshark("tshark", "-n", "-r", str(path), "-Y", display_filter).splitlines())


OPENINGS = "tcp.flags.syn == 1 && tcp.flags.ack == 0"


@contextmanager
def nginx(folder: Path, *directives: str) -> Iterator[str]:
    """A real nginx with these directives for its server; its URL.

    It inherits a listening socket, as it does while it is upgraded: so its port is free for certain, and there is
    nothing to wait for, since the kernel queues what connects before it is up.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = listener.getsockname()[1]
        body = folder / "index.html"
        body.write_bytes(b"x" * 200)
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;"
            "events { worker_connections 512; }"
            f"http {{ access_log off; root {folder}; client_body_temp_path {folder}/body; server {{"
            f" listen 127.0.0.1:{port}; {' '.join(directives)} }} }}\n"
        )
        environment = {**os.environ, "NGINX": f"{listener.fileno()};"}
        process = subprocess.Popen(
            ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
            pass_fds=[listener.fileno()],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(PATIENCE)


# -- demo


@needs_wireshark
def test_the_demo_and_its_capture(tmp_path: Path) -> None:
    ran = verify(tmp_path, "demo")
    assert (ran.status, ran.said, ran.report["verdict"]) == (0, "", "proved")
    totals = ran.report["totals"]
    assert (totals["requests"], totals["responses"], totals["handshakes"], totals["reused_requests"]) == (2, 2, 1, 1)
    assert [exchange["reuse"] for exchange in ran.report["exchanges"]] == ["new", "reused"]
    assert [request["reuse"] for request in ran.report["run"]] == ["new", "reused"]
    assert ran.report["live"]["saved_as"] == str(ran.capture)

    assert f"Number of packets:   {totals['packets']}\n" in judged_by_wireshark("capinfos", str(ran.capture))
    assert counted_by_tshark(ran.capture, OPENINGS) == 1
    assert counted_by_tshark(ran.capture, "http.request") == 2
    (connection,) = ran.report["connections"]
    assert connection["frames"]["syn"] == 1

    alone = analysed(ran.capture)
    assert alone["verdict"] == "proved"
    assert alone["totals"] == totals
    assert alone["pairs"] == ran.report["pairs"]
    assert alone["connections"] == ran.report["connections"]
    assert alone["exchanges"] == ran.report["exchanges"]


def test_the_demo_for_people(tmp_path: Path) -> None:
    done = run(tmp_path, *VERIFY)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PROVED" in done.stdout.splitlines()[0]
    (saved,) = tmp_path.glob("verify-*.pcapng")
    assert saved.name in done.stdout


def test_in_a_folder_that_was_removed_a_capture_goes_elsewhere(tmp_path: Path) -> None:
    gone, elsewhere = tmp_path / "gone", tmp_path / "elsewhere"
    gone.mkdir()
    elsewhere.mkdir()
    lines = f"cd {gone} && rmdir {gone} && TMPDIR={elsewhere} {shlex.join(VERIFY)}"
    done = run(tmp_path, "sh", "-c", lines)
    assert (done.returncode, done.stderr) == (0, "")
    (saved,) = elsewhere.glob("verify-*.pcapng")
    assert f"Saved as     {saved}\n" in done.stdout


def test_what_is_expected_of_the_demo_counts(tmp_path: Path) -> None:
    assert verify(tmp_path, "demo", "--max-handshakes", "0").status == 1
    assert verify(tmp_path, "demo", "--min-reuse", "0.5").status == 0


def test_a_capture_that_can_not_be_saved_is_still_judged(tmp_path: Path) -> None:
    ran = verify(tmp_path, "demo", "--write", "/dev/full")
    assert (ran.status, ran.report["verdict"]) == (0, "proved")
    assert ran.report["live"]["saved_as"] is None
    assert "No space left on device" in ran.report["live"]["save_problem"]


# -- one server


@needs_nginx
@needs_wireshark
def test_a_server_that_closes_after_a_hundred_requests(tmp_path: Path) -> None:
    with nginx(tmp_path, "keepalive_requests 100;") as url:
        ran = verify(tmp_path, "http", url, "-n", "1000")
    assert (ran.status, ran.report["verdict"]) == (1, "refuted")
    totals = ran.report["totals"]
    assert (totals["requests"], totals["responses"], totals["reused_requests"]) == (1000, 1000, 990)
    assert (totals["handshakes"], totals["lower_bound"], totals["extra_handshakes"]) == (10, 1, 9)
    assert [connection["requests"] for connection in ran.report["connections"]] == [100] * 10
    # Both close at once: whose FIN is first is a matter of microseconds. Whose doing it is is none.
    (finding,) = ran.report["findings"]
    assert (finding["cause"], finding["blame"]) == ("max-requests-announced", "server")
    assert finding["connections"] == list(range(1, 10))
    assert counted_by_tshark(ran.capture, OPENINGS) == 10
    assert analysed(ran.capture)["totals"] == totals


def test_without_a_session_each_request_has_a_handshake(tmp_path: Path) -> None:
    with Server([ALWAYS]) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "3", "--no-session")
        assert len(server.connections) == 3
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (1, "refuted", 3)
    assert ran.report["totals"]["extra_handshakes"] == 2
    assert [request["reuse"] for request in ran.report["run"]] == ["new"] * 3
    assert [request["connection"] for request in ran.report["run"]] == [0, 1, 2]


def test_with_a_session_there_is_one(tmp_path: Path) -> None:
    with Server([ALWAYS]) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "20", "--method", "POST", "--data", "x" * 5000)
        assert len(server.connections) == 1
        assert len(server.requests) == 20
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (0, "proved", 1)
    assert ran.report["totals"]["requests"] == 20


@needs_nginx
@needs_wireshark
def test_control_packets_of_many_connections(tmp_path: Path) -> None:
    with nginx(tmp_path) as url:
        options = ("-n", "200", "--no-session", "--concurrency", "20", "--packets", "control")
        ran = verify(tmp_path, "http", url, *options)
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (1, "refuted", 200)
    totals = ran.report["totals"]
    assert totals["requests"] == 200
    assert 1 <= totals["lower_bound"] <= 20
    assert totals["extra_handshakes"] == 200 - totals["lower_bound"]
    assert ran.report["live"]["control_only"] is True
    assert counted_by_tshark(ran.capture, OPENINGS) == 200
    assert counted_by_tshark(ran.capture, "tcp.len > 0") == 0


def test_headers_alone_take_requests_from_the_client(tmp_path: Path) -> None:
    with Server([ALWAYS]) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "3", "--packets", "headers")
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (0, "proved", 1)
    assert [exchange["reuse"] for exchange in ran.report["exchanges"]] == ["new", "reused", "reused"]
    assert b"HTTP/1.1" not in ran.capture.read_bytes()


@needs_nginx
def test_dropped_packets_prove_nothing(tmp_path: Path) -> None:
    """A buffer for a packet or two, and bodies of a megabyte."""
    with nginx(tmp_path, "sendfile off;") as url:
        (tmp_path / "index.html").write_bytes(b"x" * 1_000_000)
        ran = verify(tmp_path, "http", url, "-n", "60", "--concurrency", "4", "--buffer-size", "1")
    assert ran.report["sources"][0]["dropped"] > 0
    assert (ran.status, ran.report["verdict"]) == (3, "inconclusive")
    assert "dropped-packets" in ran.reasons
    assert ran.capture.stat().st_size > 0


# -- TLS


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    """A certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_encrypted_requests_are_known_from_the_client(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with Server([ALWAYS], tls=tls) as server:
        ran = verify(tmp_path, "http", f"{server.url}/secret", "-n", "3", "--insecure")
        assert len(server.connections) == 1
    assert (ran.status, ran.said, ran.report["verdict"], ran.handshakes) == (0, "", "proved", 1)
    exchanges = ran.report["exchanges"]
    assert [(exchange["target"], exchange["reuse"]) for exchange in exchanges] == [
        ("/secret", "new"),
        ("/secret", "reused"),
        ("/secret", "reused"),
    ]
    assert {exchange["request_frame"] for exchange in exchanges} == {None}, "no packet shows them"
    (connection,) = ran.report["connections"]
    assert connection["tls"]["version"] == "TLS 1.3"
    assert connection["tls_ns"] > 0
    assert analysed(ran.capture)["verdict"] == "inconclusive"


def test_encrypted_requests_without_a_session(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with Server([ALWAYS], tls=tls) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "3", "--insecure", "--no-session")
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (1, "refuted", 3)


def test_a_certificate_that_is_not_trusted(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """The handshakes are there, the requests never were."""
    with Server([ALWAYS], tls=tls) as server:
        ran = verify(tmp_path, "http", server.url)
    assert (ran.status, ran.report["verdict"]) == (3, "inconclusive")
    assert "request-failed" in ran.reasons
    assert all(request["error"] for request in ran.report["run"])


@pytest.mark.parametrize("packets", ["full", "headers", "control"])
def test_without_a_session_at_a_server_that_closes(tmp_path: Path, packets: str) -> None:
    """Neither alone would keep a connection; what is asked about is the client. A redirect it follows on its own."""
    with Server([[ok(b"bye", "Connection: close")]]) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "3", "--no-session", "--packets", packets)
    (found,) = ran.report["findings"]
    assert (found["cause"], found["confidence"], found["extra"]) == ("no-session", "certain", 2)
    assert found["also"] == ["response-close-header"]


@pytest.mark.parametrize("packets", ["full", "headers", "control"])
def test_what_is_kept_of_packets_does_not_change_the_cause(tmp_path: Path, packets: str) -> None:
    with Server([ALWAYS]) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "3", "--no-session", "--packets", packets)
    (found,) = ran.report["findings"]
    assert (found["cause"], found["confidence"], found["extra"], found["also"]) == ("no-session", "certain", 2, [])


@pytest.mark.parametrize("packets", ["full", "control"])
def test_a_redirect_without_a_session_is_on_the_server(tmp_path: Path, packets: str) -> None:
    """Within one call the client would have gone on with the connection, and the server closed it."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with Server([[moved], [ok()]]) as server:
        ran = verify(tmp_path, "http", server.url, "-n", "1", "--no-session", "--packets", packets)
    causes = {found["cause"] for found in ran.report["findings"]}
    assert ran.handshakes == 2
    assert "no-session" not in causes


# -- more than one server, and none


def test_a_redirect_to_another_port(tmp_path: Path) -> None:
    with Server([ALWAYS]) as target, Server([[redirect(target.url)] * 2]) as first:
        ran = verify(tmp_path, "http", first.url)
    assert (ran.status, ran.report["verdict"]) == (0, "proved")
    ports = [(pair["server"]["port"], pair["handshakes"], pair["requests"]) for pair in ran.report["pairs"]]
    assert ports == [(first.port, 1, 2), (target.port, 1, 2)]
    assert [exchange["status"] for exchange in ran.report["exchanges"]] == [302, 200, 302, 200]
    assert [request["number"] for request in ran.report["run"]] == [1, 1, 2, 2]


def test_two_servers_are_two_pairs(tmp_path: Path) -> None:
    with Server([ALWAYS]) as first, Server([[ok(b"bye", "Connection: close")]]) as second:
        ran = verify(tmp_path, "http", first.url, second.url, "-n", "3")
    found = {pair["server"]["port"]: (pair["handshakes"], pair["extra_handshakes"]) for pair in ran.report["pairs"]}
    assert found == {first.port: (1, 0), second.port: (3, 2)}
    assert (ran.status, ran.report["verdict"]) == (1, "refuted")


def test_a_port_that_refuses(tmp_path: Path) -> None:
    ran = verify(tmp_path, "http", f"http://127.0.0.1:{refused_port()}/")
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (3, "inconclusive", 0)
    assert ran.report["totals"]["failed_attempts"] == 2
    assert "request-failed" in ran.reasons
    assert [connection["handshake"] for connection in ran.report["connections"]] == ["refused", "refused"]
    assert [connection["frames"]["syn"] for connection in ran.report["connections"]] == [1, 3]
    assert [connection["frames"]["first_close"] for connection in ran.report["connections"]] == [2, 4]
    assert [(request["status"], request["error"]) for request in ran.report["run"]] == [
        (None, "connection refused"),
        (None, "connection refused"),
    ]


@pytest.mark.parametrize("expectation", ["--max-handshakes", "--max-extra"])
def test_a_server_that_is_down_meets_no_expectation(tmp_path: Path, expectation: str) -> None:
    ran = verify(tmp_path, "http", f"http://127.0.0.1:{refused_port()}/", expectation, "5")
    assert (ran.status, ran.report["verdict"]) == (3, "inconclusive")


def test_another_client_of_the_same_server_does_not_count(tmp_path: Path) -> None:
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as other:
                other.sendall(b"GET /other HTTP/1.1\r\nHost: other\r\n\r\n")
                other.recv(65536)

    with Server([ALWAYS]) as server:
        thread = threading.Thread(target=load)
        thread.start()
        try:
            ran = verify(tmp_path, "http", f"{server.url}/ours", "-n", "10")
        finally:
            over.set()
            thread.join(PATIENCE)
    assert (ran.status, ran.report["verdict"], ran.handshakes) == (0, "proved", 1)
    assert len(ran.report["pairs"]) == 1
    assert [exchange["target"] for exchange in ran.report["exchanges"]] == ["/ours"] * 10
    everybody = analysed(ran.capture)
    assert everybody["totals"]["handshakes"] > 1, "the capture has the others, too"


# -- what can not run


def test_a_name_that_is_not_resolved(tmp_path: Path) -> None:
    """In a network of its own, where no name service can be asked."""
    done = run(tmp_path, "unshare", "--net", *VERIFY, "http", "http://nowhere.invalid/")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "nowhere.invalid" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_interface(tmp_path: Path) -> None:
    with Server([ALWAYS]) as server:
        done = run(tmp_path, *VERIFY, "http", server.url, "--interface", "nowhere0")
        assert server.connections == []
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("verify: unknown interface nowhere0; there are: ")
    assert " lo" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_capture_that_nothing_can_be_written_to(tmp_path: Path) -> None:
    with Server([ALWAYS]) as server:
        done = run(tmp_path, *VERIFY, "http", server.url, "--write", str(tmp_path / "absent" / "x.pcapng"))
        assert server.connections == []
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "absent" in done.stderr


def test_a_capture_is_replaced_by_the_next_and_nothing_else_is(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcapng"
    with Server([ALWAYS, ALWAYS]) as server:
        for _ in range(2):
            assert run(tmp_path, *VERIFY, "http", server.url, "--write", str(capture)).returncode == 0
        assert analysed(capture)["totals"]["requests"] == 2
        requests = len(server.requests)
        capture.write_bytes(b"someone's")
        done = run(tmp_path, *VERIFY, "http", server.url, "--write", capture.name)
        assert len(server.requests) == requests
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "verify: can't write capture.pcapng: it exists, and verify did not write it; give --write another name\n"
    )
    assert capture.read_bytes() == b"someone's"


# -- Ctrl-C


@needs_wireshark
def test_ctrl_c_leaves_a_report_and_a_capture(tmp_path: Path) -> None:
    """While the client waits between its first request and its second."""
    capture = tmp_path / "capture.pcapng"
    command = [*VERIFY, "http", "-n", "2", "--pause", "3600", "--json", "--detail", "exchanges"]
    with Server([ALWAYS]) as server:
        process = subprocess.Popen(
            [*command, "--write", str(capture), server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=ENVIRONMENT,
        )
        try:
            server.wait_for(lambda server: len(server.requests) == 1)
            process.send_signal(signal.SIGINT)
            printed, said = process.communicate(timeout=TIME_LIMIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(PATIENCE)
    report = json.loads(printed)
    assert (process.returncode, said, report["verdict"]) == (130, "", "inconclusive")
    assert "interrupted" in {missing["code"] for missing in report["inconclusive_because"]}
    assert (report["totals"]["handshakes"], report["totals"]["requests"]) == (1, 1)
    judged_by_wireshark("capinfos", str(capture))
    assert counted_by_tshark(capture, OPENINGS) == 1
    assert analysed(capture)["totals"]["requests"] == 1
