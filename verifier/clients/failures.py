"""What went wrong with a request, in a few words that need no knowledge of the client library's layers.

requests wraps urllib3's errors, which wrap those of http.client, ssl and socket. The inner ones know the most, so the
innermost of a known kind is what is told; outer ones only add that it was a proxy, or the connecting.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import sys

from requests import exceptions as outer
from urllib3 import exceptions as inner

from verifier.figures import plural

_ERRNO = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by the server",
    errno.ECONNABORTED: "connection aborted",
    errno.EPIPE: "connection closed by the server while sending",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "timed out (no answer to the system's retransmissions)",
    # All of the range in TIME_WAIT, or a target that only an address missing here could reach (`::1` without IPv6).
    errno.EADDRNOTAVAIL: "no free local port or address (see net.ipv4.ip_local_port_range)",
    errno.EMFILE: "too many open files (raise the limit: ulimit -n)",
    errno.ENFILE: "too many open files in the whole system",
    errno.EACCES: "not permitted (a firewall, or a broadcast address)",
    errno.EPERM: "not permitted (a firewall)",
}

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""What OpenSSL says where the other end answers in plain text."""
_LONGEST = 200


def describe(error: BaseException, timeout: float | None) -> str:
    """One short line. `timeout`: what the user set, in seconds, for errors that don't carry it."""
    chain = _chain(error)
    text = _describe(chain, timeout)
    if any(isinstance(link, (outer.ProxyError, inner.ProxyError)) for link in chain):
        text = f"proxy: {text}"
    return text


def timed_out(error: BaseException) -> bool:
    """Whether the client gave up waiting for bytes of a response, its head or its body."""
    return any(isinstance(link, (outer.ReadTimeout, inner.ReadTimeoutError)) for link in _chain(error))


def _describe(chain: list[BaseException], timeout: float | None) -> str:
    connecting = any(isinstance(link, inner.ConnectTimeoutError) for link in chain)
    spent = "" if timeout is None else f" after {timeout:g} s"
    for link in reversed(chain):
        if isinstance(link, (TimeoutError, inner.ReadTimeoutError)) and getattr(link, "errno", None) is None:
            return f"connecting timed out{spent}" if connecting else f"timed out{spent}"
        text = _known(link)
        if text:
            return text
    return _first_line(chain[-1])


def _known(error: BaseException) -> str:
    """What this error says by itself; empty where it is of no kind that is known here."""
    if isinstance(error, inner.NameResolutionError):
        return f"name not resolved: {error.conn.host}"
    if isinstance(error, outer.InvalidSchema) and "SOCKS" in _first_line(error):
        return f"SOCKS needs PySocks, which is not installed: {sys.executable} -m pip install PySocks"
    if isinstance(error, outer.TooManyRedirects):
        return "too many redirects"
    if isinstance(error, inner.DecodeError):
        return "body not decodable as its Content-Encoding says"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or _first_line(error)
        return f"certificate not trusted: {why} (--insecure does without, REQUESTS_CA_BUNDLE names yours)"
    if isinstance(error, ssl.SSLError):
        hint = " (is it http?)" if error.reason in _NO_TLS else ""
        return f"TLS failed: {(error.reason or _first_line(error)).lower().replace('_', ' ')}{hint}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "connection closed by the server without a response"
    if isinstance(error, inner.InvalidChunkLength):
        return "response cut short, or malformed in its chunks"
    if isinstance(error, http.client.IncompleteRead):
        return _cut_short(error)
    if isinstance(error, http.client.HTTPException):
        return f"not an HTTP response: {_first_line(error)}"
    # The errno of a gaierror is of a numbering of its own, and its NameResolutionError, next outwards, knows the name.
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, socket.gaierror):
        return _ERRNO.get(error.errno) or (error.strerror or _first_line(error)).lower()
    return ""


def _cut_short(error: http.client.IncompleteRead) -> str:
    # urllib3's own subclass counts the bytes, http.client's holds them.
    partial: int | bytes = error.partial
    read = partial if isinstance(partial, int) else len(partial)
    if error.expected is None:
        return f"response cut short after {read} {plural(read, 'byte')}"
    whole = read + error.expected
    return f"response cut short: {read} of {whole} {plural(whole, 'byte')}"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it came from, outermost first."""
    chain = [error]
    while (below := _below(chain[-1])) is not None and below not in chain:
        chain.append(below)
    return chain


def _below(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)  # of MaxRetryError; an ssl.SSLError has text there
    if isinstance(reason, BaseException):
        return reason
    for argument in reversed(error.args):
        if isinstance(argument, BaseException):
            return argument
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _first_line(error: BaseException) -> str:
    """The error's own words. Its type stands for them where it has none."""
    lines = str(error).splitlines()
    text = lines[0].strip() if lines else ""
    return text[:_LONGEST] or type(error).__name__
