"""Real clients, used in one way or another against servers that are being captured.

A use is a function of a `Bench`. `well_used` holds each client's proper use: one client object, and one request after
another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import aiohttp
import httpx
import requests
import urllib3
from real_app import PATIENCE_S
from requests.adapters import HTTPAdapter


class Bench(NamedTuple):
    """What a client has to work with."""

    urls: tuple[str, ...]
    """Of the servers, without a slash at the end."""
    folders: tuple[Path, ...]
    """Of the servers."""
    wait_closed: Callable[[], None]
    """Waits until one connection more was closed by either side, as the capture shows it."""

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def authority(self) -> str:
        """The file with the certificate that a client of the first server has to trust."""
        return str(self.folders[0] / "ca.pem")


Use = Callable[[Bench], None]


class Pause(NamedTuple):
    """What a client does between each request and the next."""

    wait: Callable[[], None]
    seconds: float
    """How long to pause where the client can wait for time alone."""


Get = Callable[[Bench, Sequence[str], "Pause | None"], None]
"""Makes requests for some paths, one after another."""


def by_requests(bench: Bench, paths: Sequence[str], pause: Pause | None = None) -> None:
    with requests.Session() as session:
        if bench.url.startswith("https"):
            session.verify = bench.authority
        for number, path in enumerate(paths):
            if number and pause:
                pause.wait()
            session.get(bench.url + path, timeout=PATIENCE_S)


def by_urllib3(bench: Bench, paths: Sequence[str], pause: Pause | None = None) -> None:
    ca_certs = bench.authority if bench.url.startswith("https") else None
    with urllib3.PoolManager(ca_certs=ca_certs) as pool:
        for number, path in enumerate(paths):
            if number and pause:
                pause.wait()
            pool.request("GET", bench.url + path, timeout=PATIENCE_S)


def by_httpx(bench: Bench, paths: Sequence[str], pause: Pause | None = None) -> None:
    with httpx.Client(verify=trusting(bench), follow_redirects=True, timeout=PATIENCE_S) as client:
        for number, path in enumerate(paths):
            if number and pause:
                pause.wait()
            client.get(bench.url + path)


def by_aiohttp(bench: Bench, paths: Sequence[str], pause: Pause | None = None) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(bench))) as session:
            for number, path in enumerate(paths):
                if number and pause:
                    await asyncio.to_thread(pause.wait)
                async with session.get(bench.url + path) as response:
                    await response.read()

    asyncio.run(get())


def by_curl(bench: Bench, paths: Sequence[str], pause: Pause | None = None) -> None:
    words = ["--rate", f"{60 / pause.seconds:.0f}/m"] if pause else []
    if bench.url.startswith("https"):
        words += ["--cacert", bench.authority]
    curl("--location", *words, *(bench.url + path for path in paths))


CLIENTS: dict[str, Get] = {
    "requests": by_requests,
    "urllib3": by_urllib3,
    "httpx": by_httpx,
    "aiohttp": by_aiohttp,
    "curl": by_curl,
}


def trusting(bench: Bench) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if bench.url.startswith("https"):
        context.load_verify_locations(bench.authority)
    return context


def curl(*words: str, statuses: tuple[int, ...] = (0,)) -> None:
    """Runs curl once. Its output is thrown away, for each URL."""
    discard = [word for url in words if url.startswith("http") for word in ("--output", "/dev/null")]
    command = ["curl", "--silent", "--show-error", "--max-time", f"{PATIENCE_S}", *discard, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)
    assert done.returncode in statuses, done.stderr


@cache
def curl_can_pause() -> bool:
    known = subprocess.run(
        ["curl", "--rate", "60/m", "--version"], capture_output=True, timeout=PATIENCE_S, check=False
    )
    return known.returncode == 0


def gets(get: Get, count: int) -> Use:
    """One client object, and so many GETs."""
    return lambda bench: get(bench, ["/"] * count, None)


def idles(get: Get, seconds: float) -> Use:
    """GETs with pauses between, each so long that the server closes the connection; it does so within the seconds."""
    return lambda bench: get(bench, ["/"] * 3, Pause(bench.wait_closed, seconds))


def browses(get: Get) -> Use:
    """What any site has its clients do, redirects on the same server among it."""
    return lambda bench: get(bench, ["/", "/moved", "/", "/?query", "/moved", "/"], None)


# -- requests


def without_session(bench: Bench) -> None:
    for _ in range(4):
        requests.get(bench.url + "/", timeout=PATIENCE_S)


def session_for_each_call(bench: Bench) -> None:
    for _ in range(4):
        with requests.Session() as session:
            session.get(bench.url + "/", timeout=PATIENCE_S)


def together(count: int, call: Callable[[], object]) -> None:
    """Calls from so many threads at once, and waits for all."""
    with ThreadPoolExecutor(count) as threads:
        for made in [threads.submit(call) for _ in range(count)]:
            made.result(PATIENCE_S)


def threads_share_a_session(bench: Bench) -> None:
    """Four threads, and room for all."""
    with requests.Session() as session:
        for _ in range(3):
            together(4, lambda: session.get(bench.url + "/meet/4", timeout=PATIENCE_S))


def threads_meet_a_reload(bench: Bench) -> None:
    """Three connections, idle for different times when the server reloads."""
    with requests.Session() as session:
        together(3, lambda: session.get(bench.url + "/slow", timeout=PATIENCE_S))
        # Where time tells: connections idle for much the same time may be closed by a timeout.
        threading.Event().wait(0.6)
        session.get(bench.url + "/", timeout=PATIENCE_S)
        threading.Event().wait(0.2)
        os.kill(int((bench.folders[0] / "nginx.pid").read_text()), signal.SIGHUP)
        for _ in range(3):
            bench.wait_closed()
        together(3, lambda: session.get(bench.url + "/slow", timeout=PATIENCE_S))


def threads_overflow_a_pool(bench: Bench) -> None:
    """Four threads, and room for two."""
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=2))
        for _ in range(3):
            together(4, lambda: session.get(bench.url + "/meet/4", timeout=PATIENCE_S))


def threads_with_a_session_each(bench: Bench) -> None:
    """Three threads in turn, each with a Session that it keeps."""
    sessions = [requests.Session() for _ in range(3)]
    for _ in range(3):
        for session in sessions:
            thread = threading.Thread(target=session.get, args=(bench.url + "/",))
            thread.start()
            thread.join(PATIENCE_S)
    for session in sessions:
        session.close()


def streams_closed_unread(bench: Bench) -> None:
    with requests.Session() as session:
        for _ in range(3):
            with session.get(bench.url + "/large", stream=True, timeout=PATIENCE_S) as response:
                next(response.iter_content(1000))


def streams_left_open(bench: Bench) -> None:
    """Looks at the status alone, and goes on."""
    with requests.Session() as session:
        kept = []
        for _ in range(3):
            kept.append(session.get(bench.url + "/large", stream=True, timeout=PATIENCE_S))
            # Where time tells: until the client's window is full, a response that nobody reads looks like any other.
            threading.Event().wait(0.4)
        for response in kept:
            response.close()


def requests_times_out(bench: Bench) -> None:
    with requests.Session() as session:
        for _ in range(3):
            session.get(bench.url + "/", timeout=PATIENCE_S)
            raises(requests.ReadTimeout, lambda: session.get(bench.url + "/never", timeout=TIMEOUT_S))
        session.get(bench.url + "/", timeout=PATIENCE_S)


def requests_is_forked(bench: Bench) -> None:
    """Parent and child have a request under way on the same socket; either may read either response."""
    with requests.Session() as session:
        session.get(bench.url + "/", timeout=PATIENCE_S)
        ready, tell = os.pipe()
        child = os.fork()
        try:
            # Both at the same time: the parent waits until the child runs.
            if child:
                os.read(ready, 1)
            else:
                os.write(tell, b"!")
            with contextlib.suppress(requests.RequestException):
                session.get(bench.url + "/slow", timeout=3)
        finally:
            if not child:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)


def requests_names_the_server_twice(bench: Bench) -> None:
    """The server does not listen on the address that localhost has in IPv6."""
    with requests.Session() as session, mock.patch.object(urllib3.util.connection, "HAS_IPV6", new=False):
        for _ in range(3):
            session.get(bench.url + "/", timeout=PATIENCE_S)
            session.get(bench.url.replace("127.0.0.1", "localhost") + "/", timeout=PATIENCE_S)


def requests_asks_for_a_close(bench: Bench) -> None:
    with requests.Session() as session:
        session.headers["Connection"] = "close"
        for _ in range(4):
            session.get(bench.url + "/", timeout=PATIENCE_S)


def requests_trusts_differently(bench: Bench) -> None:
    """The same certificate in two files: two sets of TLS settings."""
    other = bench.folders[0] / "other-ca.pem"
    shutil.copy(bench.authority, other)
    with requests.Session() as session:
        for _ in range(3):
            session.get(bench.url + "/", verify=bench.authority, timeout=PATIENCE_S)
            session.get(bench.url + "/", verify=str(other), timeout=PATIENCE_S)


def without_session_over_tls(bench: Bench) -> None:
    for _ in range(4):
        requests.get(bench.url + "/", verify=bench.authority, timeout=PATIENCE_S)


def cookies_too_large(bench: Bench) -> None:
    """Every third request has more cookies than the server reads."""
    with requests.Session() as session:
        for number in range(7):
            headers = {"Cookie": "c=" + "x" * 40_000} if number % 3 == 2 else {}
            response = session.get(bench.url + "/", headers=headers, timeout=PATIENCE_S)
            assert response.status_code == (400 if headers else 200)


UPLOAD = 4 << 20
"""Takes long enough to be written for the answer to its head to come before."""


def uploads_too_large(bench: Bench) -> None:
    with requests.Session() as session:
        for _ in range(2):
            session.get(bench.url + "/", timeout=PATIENCE_S)
            with contextlib.suppress(requests.ConnectionError):  # it may still write when the server has closed
                assert session.post(bench.url + "/", data=b"x" * UPLOAD, timeout=PATIENCE_S).status_code == 413
        session.get(bench.url + "/", timeout=PATIENCE_S)


def requests_follows_elsewhere(bench: Bench) -> None:
    """The first server redirects to the second."""
    with requests.Session() as session:
        for _ in range(3):
            session.get(f"{bench.url}/elsewhere?to={bench.urls[1]}/", timeout=PATIENCE_S)


def twice_each(urls: Sequence[str]) -> list[str]:
    return [url for url in urls for _ in range(2)]


def requests_has_few_pools(bench: Bench) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_connections=1))
        for _ in range(3):
            for url in twice_each(bench.urls):
                session.get(url + "/", timeout=PATIENCE_S)


# -- urllib3

TIMEOUT_S = 0.3


def urllib3_has_few_pools(bench: Bench) -> None:
    with urllib3.PoolManager(num_pools=1) as pool:
        for _ in range(3):
            for url in twice_each(bench.urls):
                pool.request("GET", url + "/", timeout=PATIENCE_S)


def pool_manager_for_each_call(bench: Bench) -> None:
    for _ in range(4):
        with urllib3.PoolManager() as pool:
            pool.request("GET", bench.url + "/", timeout=PATIENCE_S)


def urllib3_times_out(bench: Bench) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        for _ in range(3):
            pool.request("GET", bench.url + "/", timeout=PATIENCE_S)
            raises(
                urllib3.exceptions.ReadTimeoutError,
                lambda: pool.request("GET", bench.url + "/never", timeout=TIMEOUT_S),
            )
        pool.request("GET", bench.url + "/", timeout=PATIENCE_S)


def urllib3_leaves_unread(bench: Bench) -> None:
    with urllib3.PoolManager() as pool:
        for _ in range(3):
            response = pool.request("GET", bench.url + "/large", preload_content=False, timeout=PATIENCE_S)
            response.read(1000)
            response.close()


# -- httpx

EXPIRY_S = 0.5


def httpx_expires(bench: Bench) -> None:
    with httpx.Client(limits=httpx.Limits(keepalive_expiry=EXPIRY_S), timeout=PATIENCE_S) as client:
        for _ in range(3):
            client.get(bench.url + "/")
            client.get(bench.url + "/")
            # Where time is the cause: httpx looks at the clock when it has the next request.
            threading.Event().wait(EXPIRY_S + 0.2)
        client.get(bench.url + "/")


def httpx_for_each_call(bench: Bench) -> None:
    for _ in range(2):
        httpx.get(bench.url + "/", timeout=PATIENCE_S)
    for _ in range(2):
        with httpx.Client(timeout=PATIENCE_S) as client:
            client.get(bench.url + "/")


def httpx_all_at_once(bench: Bench) -> None:
    async def get() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            for _ in range(3):
                await asyncio.gather(*(client.get(bench.url + "/meet/4") for _ in range(4)))

    asyncio.run(get())


def httpx_leaves_unread(bench: Bench) -> None:
    with httpx.Client(timeout=PATIENCE_S) as client:
        for _ in range(3):
            with client.stream("GET", bench.url + "/large") as response:
                next(response.iter_bytes(1000))


def httpx_times_out(bench: Bench) -> None:
    with httpx.Client(timeout=PATIENCE_S) as client:
        for _ in range(3):
            client.get(bench.url + "/")
            raises(httpx.ReadTimeout, lambda: client.get(bench.url + "/never", timeout=TIMEOUT_S))
        client.get(bench.url + "/")


# -- aiohttp


def aiohttp_expires(bench: Bench) -> None:
    async def get() -> None:
        connector = aiohttp.TCPConnector(keepalive_timeout=EXPIRY_S)
        async with aiohttp.ClientSession(connector=connector) as session:
            for number in range(3):
                if number:
                    await asyncio.to_thread(bench.wait_closed)
                    # Where time tells: a connection dropped for the next request would be closed just before it.
                    await asyncio.sleep(0.15)
                async with session.get(bench.url + "/") as response:
                    await response.read()

    asyncio.run(get())


def aiohttp_session_for_each_call(bench: Bench) -> None:
    async def get() -> None:
        for _ in range(4):
            async with aiohttp.ClientSession() as session, session.get(bench.url + "/") as response:
                await response.read()

    asyncio.run(get())


def aiohttp_leaves_unread(bench: Bench) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(bench.url + "/large") as response:
                    assert response.status == 200

    asyncio.run(get())


def aiohttp_times_out(bench: Bench) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/never", "/", "/never", "/", "/never", "/"):
                limit = aiohttp.ClientTimeout(total=TIMEOUT_S if path == "/never" else PATIENCE_S)
                try:
                    async with session.get(bench.url + path, timeout=limit) as response:
                        await response.read()
                except asyncio.TimeoutError:
                    assert path == "/never"

    asyncio.run(get())


def aiohttp_forces_a_close(bench: Bench) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            for _ in range(4):
                async with session.get(bench.url + "/") as response:
                    await response.read()

    asyncio.run(get())


def aiohttp_all_at_once(bench: Bench) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession() as session:

            async def one() -> None:
                async with session.get(bench.url + "/meet/4") as response:
                    await response.read()

            for _ in range(3):
                await asyncio.gather(*(one() for _ in range(4)))

    asyncio.run(get())


# -- curl


def curl_for_each_url(bench: Bench) -> None:
    for _ in range(4):
        curl(bench.url + "/")


def curl_in_parallel(bench: Bench) -> None:
    curl("--parallel", *[bench.url + "/slow"] * 3)


def curl_in_http10(bench: Bench) -> None:
    curl("--http1.0", *[bench.url + "/"] * 4)


def curl_uploads_too_large(bench: Bench) -> None:
    """curl asks first (Expect: 100-continue)."""
    upload = bench.folders[0] / "large"
    curl("--data-binary", f"@{upload}", *[bench.url + "/"] * 3)


def curl_times_out(bench: Bench) -> None:
    never = ["--max-time", f"{TIMEOUT_S}", "--output", "/dev/null", bench.url + "/never", "--next"]
    plain = ["--silent", "--output", "/dev/null", bench.url + "/", "--next", "--silent"]
    curl_exactly(*[*plain, *never] * 3, "--silent", "--output", "/dev/null", bench.url + "/")


def curl_exactly(*words: str) -> None:
    subprocess.run(["curl", "--silent", *words], capture_output=True, timeout=3 * PATIENCE_S, check=False)


def raises(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except kind:
        return
    raise AssertionError(f"that was to raise {kind.__name__}")
