"""Real servers on loopback, each a process of its own, ended when the test is over.

    with nginx("keepalive_timeout 1s;").start(tmp_path) as url: ...

Each inherits a socket that listens already, where it can: its port is free for certain, and there is nothing to wait
for, since the kernel queues what connects before it is up. What a server says goes to server.log in its folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import trustme
from real_app import LARGE, PATIENCE_S

TESTS = Path(__file__).parent
LOOPBACK = "127.0.0.1"
BACKLOG = 512

Start = Callable[[Path], AbstractContextManager[str]]
"""Starts a server that keeps its files in the folder; its URL, without a slash at the end."""


class Needs(NamedTuple):
    """A program that has to be here. `lacking` is the reason where it is not; `make test` installs what is "not
    installed"."""

    program: str
    lacking: str

    def reason(self) -> str | None:
        """Why it can't be run here; None where it can."""
        return None if shutil.which(self.program) else self.lacking


NGINX = Needs("nginx", "nginx is not installed (apt-get install nginx)")
CURL = Needs("curl", "curl is not installed (apt-get install curl)")
NODE = Needs("node", "there is no Node here (apt-get install nodejs)")


class Server(NamedTuple):
    """A server in one configuration."""

    name: str
    start: Start
    needs: tuple[Needs, ...] = ()


# -- nginx

SLOW = 100_000
"""Takes more than a second to be sent, of which the first half comes at once."""
# What the others serve, too; and what only nginx does.
_LOCATIONS = """
    location = /moved { return 302 /; }
    location = /elsewhere { return 302 $arg_to; }
    location = /slow { limit_rate 60k; }
    location = / { default_type text/plain; return 200 "%s"; }
""" % ("x" * 100)


def nginx(*directives: str, listen: str = "") -> Server:
    """nginx with these directives for its server; `listen` is what stands behind the port."""

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        for name, size in (("large", LARGE), ("slow", SLOW)):
            (folder / name).touch()
            os.truncate(folder / name, size)
        with listening() as listener:
            port = listener.getsockname()[1]
            config = folder / "nginx.conf"
            config.write_text(
                f"daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;\n"
                "events { worker_connections 512; }\n"
                f"http {{ access_log off; root {folder}; client_body_temp_path {folder}/body;\n"
                f"server {{ listen {LOOPBACK}:{port} {listen}; {' '.join(directives)} {_LOCATIONS} }} }}\n"
            )
            command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
            with running(command, folder, listener, NGINX=f"{listener.fileno()};"):
                listener.close()
                yield f"{'https' if 'ssl' in listen.split() else 'http'}://{LOOPBACK}:{port}"

    return Server("nginx", start, (NGINX,))


def nginx_tls(*directives: str, versions: str = "TLSv1.2 TLSv1.3", listen: str = "ssl") -> Server:
    """nginx with a throw-away certificate; who trusts `ca.pem` in its folder, trusts it."""

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        authority = trustme.CA()
        certificate = authority.issue_cert(LOOPBACK, "localhost")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        own = f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem; ssl_protocols {versions};"
        with nginx(own, *directives, listen=listen).start(folder) as url:
            yield url

    return Server("nginx with TLS", start, (NGINX,))


# -- Python's


def gunicorn(*arguments: str) -> Server:
    """gunicorn with one worker."""

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        with listening() as listener:
            port = listener.getsockname()[1]
            words = ["-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "--workers", "1", "--no-control-socket"]
            words += ["--worker-tmp-dir", str(folder), *arguments, "real_app:wsgi"]
            with running([sys.executable, *words], folder, listener):
                listener.close()
                yield f"http://{LOOPBACK}:{port}"

    return Server("gunicorn", start)


def gthread(*arguments: str) -> Server:
    return gunicorn("-k", "gthread", "--threads", "8", *arguments)


def uvicorn(*arguments: str) -> Server:
    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        with listening() as listener:
            port = listener.getsockname()[1]
            words = ["-m", "uvicorn", "--fd", str(listener.fileno()), "--app-dir", str(TESTS), *arguments]
            with running([sys.executable, *words, "real_app:asgi"], folder, listener):
                listener.close()
                yield f"http://{LOOPBACK}:{port}"

    return Server("uvicorn", start)


def werkzeug() -> Server:
    """The development server of Flask."""
    return _script("""
        from werkzeug.serving import make_server
        from real_app import wsgi
        make_server("127.0.0.1", 0, wsgi, threaded=True, fd=fd).serve_forever()
    """)


def http_server() -> Server:
    """`python -m http.server`, as it is: HTTP/1.0."""

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        (folder / "index.html").write_text("x" * 100)
        command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", LOOPBACK, "--directory", str(folder)]
        with running(command, folder) as process:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            yield f"http://{LOOPBACK}:{said[said.index('port') + 1]}"

    return Server("http.server", start)


def http_server_11(timeout_s: float | None = None) -> Server:
    """http.server with a handler class that speaks HTTP/1.1."""
    return _script(f"""
        from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
        class Handler(SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = {timeout_s}
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = socket.socket(fileno=fd)
        server.serve_forever()
    """)


def _script(source: str) -> Server:
    """A server that a few lines of Python make from the socket `fd`."""
    lines = source.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    program = "import socket, sys\nfd = int(sys.argv[1])\n" + "\n".join(line[indent:] for line in lines)

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        (folder / "moved").mkdir()
        for path in (folder / "index.html", folder / "moved" / "index.html"):
            path.write_text("x" * 100)
        with listening() as listener:
            port = listener.getsockname()[1]
            with running([sys.executable, "-c", program, str(listener.fileno())], folder, listener):
                listener.close()
                yield f"http://{LOOPBACK}:{port}"

    name = "werkzeug" if "werkzeug" in source else "http.server"
    return Server(name, start)


# -- Node's

_NODE = """
let waiting = [];
const server = require("http").createServer((request, response) => {
  const answer = () => response.end("x".repeat(request.url === "/large" ? %d : 100));
  request.resume();
  if (request.url === "/never") return;
  if (request.url === "/moved") return response.writeHead(302, {Location: "/", "Content-Length": 0}).end();
  const [, what, number] = request.url.split("/");
  if (what !== "meet") return answer();
  waiting.push(answer);
  if (waiting.length === Number(number)) waiting.splice(0).forEach((each) => each());
});
Object.assign(server, %s);
server.listen({fd: Number(process.argv[1])});
"""


def node(settings: str = "{}") -> Server:
    """Node's http server with these properties set (as JavaScript)."""

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        with listening() as listener:
            port = listener.getsockname()[1]
            with running(["node", "-e", _NODE % (LARGE, settings), str(listener.fileno())], folder, listener):
                listener.close()
                yield f"http://{LOOPBACK}:{port}"

    return Server("node", start, (NODE,))


# -- processes


def listening() -> socket.socket:
    return socket.create_server((LOOPBACK, 0), backlog=BACKLOG)


@contextmanager
def running(
    command: Sequence[str], folder: Path, listener: socket.socket | None = None, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A process that inherits the listener; it and its children are ended at the end."""
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            pass_fds=[] if listener is None else [listener.fileno()],
            env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if listener is None else log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            # What is left of its session: workers whose master was stuck.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
