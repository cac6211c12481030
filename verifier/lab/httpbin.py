"""The real httpbin application on loopback, behind a server that keeps connections alive.

The server is cheroot, in threads of this process. Of the WSGI servers that can be started and stopped in a process, it
is the one that keeps a connection for every response that HTTP/1.1 allows it for: waitress closes after each response
without a Content-Length (204, 304, chunked), Werkzeug's after every response; gunicorn needs processes of its own.

Measured here: 180 to 240 ms for importing httpbin (Flask) and cheroot, 2 ms for starting, 21 ms for stopping.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from verifier.errors import VerifierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cheroot.wsgi import Server

_HOST = "127.0.0.1"
_THREADS = 10
_BACKLOG = 512
"""Waiting connections: cheroot's 5 would have the kernel drop SYNs of a burst, and the client send them again."""
_IDLE_S = 120
"""Seconds before an idle connection is closed. Longer than any demonstration, and than nginx's 75."""
_POLL_S = 0.02
"""The server looks this often whether it is to stop; also how late it closes idle connections."""
_SHUTDOWN_S = 1
"""Seconds that a request under way may still take when the server stops."""
_IDLE_CONNECTIONS = 100_000
"""How many idle connections are kept. cheroot's 10 would answer `Connection: close` above that."""


class Httpbin:
    """`with Httpbin() as httpbin: get(httpbin.url + "/get")`. All its connections are closed at the end."""

    def __init__(self) -> None:
        self.port = 0
        self.url = ""

    def __enter__(self) -> Httpbin:
        self._server = _server()
        try:
            self._server.prepare()
        except OSError as error:
            raise VerifierError(f"can't listen on {_HOST}: {error}") from error
        self.port = self._server.bind_addr[1]
        self.url = f"http://{_HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve, name="httpbin", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Before stop(), which otherwise wakes the listener by connecting to it: a handshake that no client asked for.
        self._server.socket.close()
        self._server.stop()
        self._thread.join()


def _server() -> Server:
    # An application's or server's log lines are no part of a report; a handler that ignores them also keeps Python from
    # printing them for want of any. Before the import, which already logs.
    for name in ("httpbin.core", "httpbin"):
        logging.getLogger(name).addHandler(_SILENT)
    try:
        from cheroot.wsgi import Server
        from httpbin import app  # type: ignore[import-untyped]
    except ImportError as error:
        raise VerifierError(f"{error.name} is not installed", "pip install httpbin cheroot") from error

    class Quiet(Server):
        def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
            logging.getLogger("httpbin").log(level, "%s", msg, exc_info=traceback)

    server = Quiet((_HOST, 0), app, numthreads=_THREADS, request_queue_size=_BACKLOG, timeout=_IDLE_S)
    server.shutdown_timeout = _SHUTDOWN_S
    server.expiration_interval = _POLL_S
    server.keep_alive_conn_limit = _IDLE_CONNECTIONS
    return server


_SILENT = logging.NullHandler()
