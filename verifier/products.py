"""Clients and servers by the names that they give themselves (RFC 9110, sections 10.1.5 and 10.2.4)."""

from __future__ import annotations

from verifier.values import NamedTuple

CLIENTS = {
    "python-requests": "requests",
    "python-httpx": "httpx",
    "aiohttp": "aiohttp",
    "python-urllib3": "urllib3",
    "boto3": "boto3",
    "botocore": "boto3",
    "wget": "wget",
    "java": "java",
    "java-http-client": "java",
    "curl": "curl",
    "libcurl": "curl",
    "pycurl": "curl",
    "go-http-client": "go",
    "node": "node",
    "undici": "node",
    "axios": "node",
    "node-fetch": "node",
    "node-superagent": "node",
    "got": "node",
    "python-urllib": "urllib",
    "ruby": "ruby",
    "faraday": "ruby",
    "libwww-perl": "perl",
    "http-tiny": "perl",
    "mojolicious": "perl",
    "tornado": "tornado",
    "siege": "siege",
    "hey": "hey",
}
"""The kinds of clients, by the names in their User-Agents."""
SERVERS = {
    "nginx": "nginx",
    "openresty": "nginx",
    "tengine": "nginx",
    "uvicorn": "uvicorn",
    "gunicorn": "gunicorn",
    "apache": "apache",
    "werkzeug": "werkzeug",
    "basehttp": "http.server",
    "simplehttp": "http.server",
    "wsgiserver": "wsgiref",
    "microsoft-iis": "iis",
    "jetty": "jetty",
    "awselb": "elb",
    "aiohttp": "aiohttp",
    "cheroot": "cheroot",
    "node": "node",
    "node.js": "node",
    "cherrypy": "cheroot",
    "tornadoserver": "tornado",
    "twistedweb": "twisted",
    "waitress": "waitress",
    "hypercorn-h11": "hypercorn",
    "webrick": "webrick",
    "h2o": "h2o",
}
"""The kinds of servers, by the names in their Server headers."""


class Product(NamedTuple):
    kind: str | None
    """None where it is not known here."""
    word: str
    """What it calls itself, with its version; of what is not known the first word; empty for none."""


def client(user_agent: str | None) -> Product:
    """Which library a User-Agent names.

    An application may put its own name before that of its library (RFC 9110, section 10.1.5), and several libraries may
    be named: the first that is known is the one that makes the requests.
    """
    return _first_known(user_agent, CLIENTS)


def server(software: str | None) -> Product:
    """Which server a Server header names."""
    return _first_known(software, SERVERS)


def names(products: str | None) -> list[str]:
    """The names, in small letters, of `name/version (comment) name/version`: one for each word, also of a comment."""
    return [word.partition("/")[0].partition("(")[0] for word in (products or "").lower().split()]


def _first_known(products: str | None, known: dict[str, str]) -> Product:
    words = (products or "").split()
    for word, name in zip(words, names(products), strict=True):
        if name in known:
            return Product(known[name], word)
    return Product(None, words[0] if words else "")
