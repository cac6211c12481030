"""The live client: real `requests`, in as many threads as the user asked for, with notes of what it did.

The user's plan is carried out by threads that share one `requests.Session`, or, without a session, make a new one for
each request, which is all that `requests.get` and its like do. The calling thread only waits, reports progress, and
handles Ctrl-C; every thread takes the next request as soon as it is free.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

from verifier.clients.run import Run
from verifier.errors import VerifierError
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import requests

    from verifier.clients.adapter import OnConnect, Recorder

Header = tuple[str, str]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")  # RFC 3986, 3.1
_PROGRESS_S = 0.1
_GRACE_S = 2.0
"""How long threads may take to end after Ctrl-C: those inside a name look-up or a TCP connect can't be woken."""


class Plan(NamedTuple):
    """What the user wants requested. Checked where it is made: the numbers are positive, and there is a URL."""

    urls: tuple[str, ...]
    """As `parse_url` returns them."""
    per_url: int = 1
    """Requests for each URL. They are sent in turn: one for each URL, then the second for each."""
    concurrency: int = 1
    """Threads."""
    session: bool = True
    """All threads share one Session. Without: a new Session for each request."""
    method: str = "GET"
    """As `parse_method` returns it."""
    headers: tuple[Header, ...] = ()
    """As `parse_header` returns them. Those of the same name are joined by commas, as RFC 9110, 5.3 allows."""
    data: bytes | None = None
    timeout: float | None = None
    """Seconds for connecting and for each wait for bytes; None waits as long as the system does, as requests does."""
    pause: float = 0.0
    """Seconds between one request of a thread and its next."""
    pool_maxsize: int | None = None
    """None: what requests has by default (10)."""
    stream: bool = False
    """Leave the body unread (`stream=True`); the responses are closed when all requests have been made."""
    verify_tls: bool = True


OnProgress = Callable[[int, int], None]


def parse_url(text: str) -> str:
    """The URL that requests will be asked for: http where no scheme is given. Idempotent."""
    import requests
    from urllib3.util import parse_url as parts_of

    url = text.strip()
    scheme = _SCHEME.match(url)
    if scheme is None:
        url = f"http://{url}"
    elif scheme.group(1).lower() not in ("http", "https"):
        raise VerifierError(f"not an http or https URL: {text}", "use http:// or https://")
    prepared = requests.PreparedRequest()
    try:
        if re.search(r"[\x00-\x20\x7f]", url):
            raise requests.exceptions.InvalidURL("it has a space or a control character in it")
        prepared.prepare_url(url, None)
        if parts_of(url).port == 0:  # a number to the parsers, and no port to any system
            raise requests.exceptions.InvalidURL("there is no port 0")
    except (requests.RequestException, ValueError) as error:
        raise VerifierError(f"not a URL: {text!r} ({error})", "give one like http://localhost:8000/path") from error
    return url


def parse_header(text: str) -> Header:
    """`Name: value`, as curl's --header takes it."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _TOKEN.fullmatch(name):
        raise VerifierError(f"not a header: {text!r}", "give it as 'Name: value'")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise VerifierError(f"header {name} has characters that HTTP can't carry: {value!r}", "use Latin-1") from error
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise VerifierError(f"header {name} has a control character in its value: {value!r}", "remove it")
    return name, value


def parse_method(text: str) -> str:
    """A method that HTTP can carry: any token (RFC 9110, 9.1)."""
    if not _TOKEN.fullmatch(text):
        raise VerifierError(f"not an HTTP method: {text!r}", "give one like GET")
    return text


def run(plan: Plan, on_connect: OnConnect, on_progress: OnProgress) -> Run:
    """Carry out the plan.

    `on_connect(host, port)` is called before each TCP connect, with what is about to be connected to (the proxy, where
    there is one), from any thread but never from two at once. What it raises ends the run and is raised here, unless
    it is an OSError, which would pass for the connection's own. `on_progress(done, planned)` is called in the calling
    thread, about ten times a second and at the end. Requests that fail are part of the result, and never raised.

    Ctrl-C stops the run, which then returns with what there is, `interrupted`.
    """
    import warnings

    import requests
    from urllib3.exceptions import InsecureRequestWarning

    from verifier.clients.adapter import Recorder

    recorder = Recorder(on_connect, plan.timeout)
    with warnings.catch_warnings():
        if not plan.verify_tls:
            # The user asked not to verify, and so knows.
            warnings.simplefilter("ignore", InsecureRequestWarning)
        crew = _Crew(plan, recorder)
        with recorder.listening():
            interrupted = crew.work(on_progress)
    client = requests.utils.default_user_agent()
    return Run(
        client=client,
        planned=crew.planned,
        requests=recorder.requests(),
        connects=recorder.connects(),
        interrupted=interrupted,
        session=plan.session,
        unread=plan.stream,
    )


class _Crew:
    """The threads that carry out one plan."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self.planned = plan.per_url * len(plan.urls)
        self._plan = plan
        self._recorder = recorder
        self._headers = _joined(plan.headers)
        self._tasks: Iterator[tuple[int, str]] = enumerate(
            (url for _ in range(plan.per_url) for url in plan.urls), start=1
        )
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._working = 0
        self._done = 0
        self._unread: list[requests.Response] = []
        self._faults: list[BaseException] = []

    def work(self, on_progress: OnProgress) -> bool:
        """Whether the user interrupted it."""
        interrupted = False
        session = self._new_session() if self._plan.session else None
        try:
            self._start(session)
            while not self._idle.wait(_PROGRESS_S):
                on_progress(self._done, self.planned)
            on_progress(self._done, self.planned)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            if not self._idle.is_set():
                self._stop.set()
                self._recorder.interrupt()
                self._idle.wait(_GRACE_S)
            for response in self._unread:
                response.close()
            if session is not None:
                session.close()
            self._recorder.close()
        if self._faults:
            raise self._faults[0]
        return interrupted

    def _start(self, session: requests.Session | None) -> None:
        threads = min(self._plan.concurrency, self.planned)
        for number in range(threads):
            with self._lock:
                self._working += 1
            # Daemons, because one that hangs in a name look-up must not keep the process from ending.
            thread = threading.Thread(target=self._labour, args=(session,), name=f"client-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise VerifierError(f"can't start {threads} threads, only {number}", "lower --concurrency") from error

    def _labour(self, session: requests.Session | None) -> None:
        try:
            first = True
            while (task := self._next()) is not None:
                if not first and self._plan.pause:
                    self._stop.wait(self._plan.pause)
                if self._stop.is_set():
                    break
                self._request(session, *task)
                first = False
        except BaseException as fault:  # noqa: BLE001 - raised again in the calling thread
            with self._lock:
                self._faults.append(fault)
            self._stop.set()
        finally:
            with self._lock:
                self._working -= 1
                if self._working == 0:
                    self._idle.set()

    def _next(self) -> tuple[int, str] | None:
        with self._lock:
            return next(self._tasks, None)

    def _request(self, session: requests.Session | None, number: int, url: str) -> None:
        import requests
        from urllib3.exceptions import HTTPError

        self._recorder.begin(number)
        try:
            if session is not None:
                response = self._send(session, url)
            else:
                # What requests.request does, line for line, but for the adapters of the Session.
                with self._new_session() as own:
                    response = self._send(own, url)
        # requests lets errors of the layers below through where it has no name for them: all of urllib3's, those of the
        # socket, and ValueError (of which UnicodeError is one) for what can't be written as HTTP.
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            self._recorder.fail(self._plan.method.upper(), url, error)
        else:
            self._recorder.end()
            if self._plan.stream:
                self._unread.append(response)
        with self._lock:
            self._done += 1

    def _send(self, session: requests.Session, url: str) -> requests.Response:
        plan = self._plan
        return session.request(
            method=plan.method,
            url=url,
            headers=self._headers,
            data=plan.data,
            timeout=plan.timeout,
            stream=plan.stream,
            # None leaves it to the Session and the environment (REQUESTS_CA_BUNDLE), as a plain requests.get would.
            verify=None if plan.verify_tls else False,
        )

    def _new_session(self) -> requests.Session:
        import requests

        from verifier.clients.adapter import ObservedAdapter

        session = requests.Session()
        # One adapter each, in this order, as Session does it: they have pools of their own.
        for prefix in ("https://", "http://"):
            session.mount(prefix, ObservedAdapter(self._recorder, self._plan.pool_maxsize))
        return session


def _joined(headers: tuple[Header, ...]) -> dict[str, str]:
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in headers:
        known = names.setdefault(name.lower(), name)
        joined[known] = f"{joined[known]}, {value}" if known in joined else value
    return joined
