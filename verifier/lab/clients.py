"""The clients of scenes: `requests` as it comes, http.client where a scene wants every step in its own hands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from verifier.lab.stage import PATIENCE_S, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from requests import Session

pause = time.sleep
"""Where time is the cause."""


def session(pool_connections: int = 10, pool_maxsize: int = 10) -> Session:
    """A Session with requests' own defaults, but deaf to the proxies that the environment names."""
    import requests
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def close(self) -> None:
            """Closes at once. urllib3 leaves it to the end of the last reference to a pool; after a request that failed
            this is when the garbage collector comes by, for the error and its traceback refer to each other."""
            pools = self.poolmanager.pools
            for key in pools.keys():  # noqa: SIM118 - it refuses to be iterated itself
                pools[key].close()
            super().close()

    new = requests.Session()
    new.trust_env = False
    for prefix in ("https://", "http://"):
        new.mount(prefix, Adapter(pool_connections, pool_maxsize))
    return new


def get_repeatedly(server: Server, times: int) -> None:
    """One Session, one GET after another."""
    with session() as client:
        for _ in range(times):
            client.get(server.url)


def outlast(client: Session, server: Server, pauses_s: tuple[float, ...]) -> None:
    """On each connection two GETs, then none until the server has closed it, and for one of the pauses more; at last
    one GET."""
    for more_s in pauses_s:
        client.get(server.url)
        client.get(server.url)
        server.wait_closed()
        pause(more_s)
    client.get(server.url)


def together(count: int, call: Callable[[], object]) -> None:
    """Calls from so many threads at once, and waits for all of them."""
    start = threading.Barrier(count, timeout=PATIENCE_S)

    def one() -> None:
        start.wait()
        call()

    with ThreadPoolExecutor(count) as threads:
        for outcome in [threads.submit(one) for _ in range(count)]:
            outcome.result(PATIENCE_S)


def fails(call: Callable[[], object]) -> None:
    """Makes a request that is to fail."""
    import requests

    try:
        call()
    except requests.RequestException:
        return
    raise AssertionError("a request succeeded that was to fail")


def connect(server: Server) -> HTTPConnection:
    """One connection, open."""
    connection = HTTPConnection(server.host, server.port, timeout=PATIENCE_S)
    connection.connect()
    return connection


def refused(host: str, port: int) -> None:
    """Connects where nobody listens."""
    try:
        HTTPConnection(host, port, timeout=PATIENCE_S).connect()
    except ConnectionRefusedError:
        return
    raise AssertionError(f"{host} port {port} was to refuse")


def ask(connection: HTTPConnection, target: str = "/", headers: dict[str, str] | None = None) -> None:
    """One GET, and its response read to the end."""
    connection.request("GET", target, headers=headers or {})
    connection.getresponse().read()
