"""What servers are called: whether two names mean one place, whether a redirect leads to what is asked for, and whether
a proxy may have passed it on.

Imported where the first such question comes up, which it does in few captures.
"""

from __future__ import annotations


def is_alias(one: str, two: str) -> bool:
    """Whether two names plainly mean one place: an address, or localhost, beside a name, or names that differ in their
    port or in a leading `www.` alone."""
    hosts = [bare(name) for name in (one, two)]
    if hosts[0] == hosts[1]:
        return True
    return any(host == "localhost" or ":" in host or not host.strip("0123456789.") for host in hosts)


def bare(name: str) -> str:
    """A host without port, brackets, and `www.`."""
    host, colon, port = name.rpartition(":")
    if not colon or not port.isdigit() or ("]" not in name and ":" in host):
        host = name
    return host.strip("[]").removeprefix("www.")


def leads_to_server(location: str, server: str) -> bool:
    """Whether a Location is a URL of this server, inside TLS. `server` is in lower case."""
    secure = location.lower().partition("https://")[2].partition("/")[0].partition(":")[0]
    return bool(secure) and secure == server


def leads_to(location: str, host: str, target: str) -> bool:
    """Whether a Location is the URL of a request with this Host field, in lower case, and this target (RFC 9110,
    section 10.2.2)."""
    location = location.partition("#")[0]
    rest = location.partition("://")[2] if "://" in location else location[2:] if location[:2] == "//" else None
    if rest is None:
        return location == target
    authority, slash, path = rest.partition("/")
    return authority.lower() == host and (slash + path or "/") == target


def is_absolute(target: str) -> bool:
    """Whether a request target is a whole URL, as a proxy is asked for (RFC 9112, section 3.2.2)."""
    return target[:8].lower().startswith(("http://", "https://"))


def is_target_of(asked: str, passed: str) -> bool:
    """Whether a proxy that is asked for one target may ask for the other: for the path of a URL, or for a path that
    begins otherwise."""
    path = asked
    if "://" in asked:
        path = "/" + asked.partition("://")[2].partition("/")[2]
    return path.endswith(passed) or passed.endswith(path)
