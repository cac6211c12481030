"""What a finding says: one sentence or two of facts for each cause, with the numbers of this capture.

Each function takes the `Group` of connections that a cause accounts for. Sentences state what the packets show; what to
do is the catalogue's.
"""

from __future__ import annotations

from verifier.figures import duration
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Say = Callable[["Group"], str]

LONG_NS = 7_200_000_000_000
"""Two hours, the longest limit that is common (TCP keep-alive of Linux): beyond it no limit shows by its seconds."""


class Group(NamedTuple):
    """New connections of one pair with one cause, and what their predecessors have in common."""

    new: int
    """How many were opened."""
    server: str
    gap: str
    """How long the predecessors were idle before they were closed: `5.00 s`, `5.00 s to 7.20 s`, empty where not
    known."""
    pause: str
    """How long they were idle before their last request."""
    came: str
    """How long after their last response the new connections were opened."""
    reused: str
    """The longest time that a connection of the pair was idle and then used again."""
    at_next_use: bool
    """The client closed most of the old ones as it opened the new ones."""
    lost: str
    """Requests that got no response: `POST /buy in frame 27, and 2 more`."""
    most: int
    """The most requests of the pair at the same time."""
    waited: str
    """How long their last request had been under way."""
    counts: str
    """How many requests they carried: `100`, `3 to 7`."""
    one: bool
    """Each carried one request."""
    statuses: str
    """Statuses of their last responses: `400`, `413 and 503`."""
    names: str
    """What the server was called: `localhost:80 and 127.0.0.1:80`."""
    keeps_others: bool
    """The server says close with errors, and not with other responses."""
    dropped: bool
    """The server closed the first of the predecessors with a request unanswered."""
    goes_on: bool
    """The first of the predecessors was used again later."""
    at_once: bool
    """They were closed right behind their last responses."""
    sessionless: bool
    """The live client says that it has no Session, and the server would not have kept its connections."""
    name: str
    """What the server is called on the first of the new ones."""
    other: str
    """What the program calls itself that had the connection before the first of the new ones, where it is another."""
    was_open: bool
    """The predecessors were open when the new connections were."""
    with_reset: bool
    unfinished: bool
    """The last response was not over."""
    kinds: Mapping[int, int]
    """Of connections that nothing explains: how many are IN_USE, NO_TLS, UNUSED and so on. As many as were looked at.
    """
    server_reset: bool
    """The first close was the server's RST."""
    closes_unread: bool
    """The first of the predecessors is of a client that closes right behind a response only where it was not read."""
    unheard: bool
    """The client's TCP keep-alive probes got no answer."""
    encrypted: bool
    """What was said on the predecessors nobody knows: neither the packets tell, nor the client."""
    refused: bool
    """Attempts failed between the old connections and the new ones."""
    announced: str
    """For how long the server had said that it keeps the first of the predecessors (Keep-Alive: timeout=): `5 s`."""
    outlived: bool
    """Others had lived through longer idle times than the first of the predecessors."""
    no_tunnel: bool
    """The last requests asked for a tunnel (CONNECT), and were refused."""
    some_no_tunnel: bool
    """Of some of them that holds."""
    passes_on: bool
    """The client passes on the requests of others."""
    left: str
    """Bytes of their last responses that never came, where all announced a length: `12,000`."""


def number(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def span(nanoseconds: int) -> str:
    """A duration in words: `10 h 27 min`, `5.00 s`, `120 ms`, `0.35 ms`."""
    if nanoseconds >= LONG_NS:
        return duration(nanoseconds)
    if nanoseconds >= 1_000_000_000:
        return f"{nanoseconds / 1e9:.2f} s" if nanoseconds < 100_000_000_000 else f"{nanoseconds / 1e9:.0f} s"
    return f"{nanoseconds / 1e6:.0f} ms" if nanoseconds >= 10_000_000 else f"{nanoseconds / 1e6:.2f} ms"


def spread(values: list[int], show: Callable[[int], str]) -> str:
    """The least and the most of some values; one where they read alike."""
    if not values:
        return ""
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} to {high}"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _times(group: Group) -> str:
    return "" if group.new == 1 else f", {number(group.new, 'time')}" if group.new > 2 else ", twice"


def _each(group: Group) -> str:
    return "its connection" if group.new == 1 else f"{group.new:,} connections"


def _after(group: Group) -> str:
    if group.one:
        return "after one request"
    # Inside of TLS they are counted by who speaks: in HTTP/2 the settings of both sides look like one more.
    return f"after what looks like {group.counts} requests" if group.encrypted else f"after {group.counts} requests"


def _no_session(group: Group) -> str:
    if group.was_open:
        whose = (
            "each request has a client object, or Session," if not group.passes_on else "each of its clients has one"
        )
        return (
            f"{number(group.new, 'connection')} opened while the one before was open and idle, and that one was never"
            f" used again: {whose} of its own"
        )
    if group.sessionless:
        new, before = ("a new connection", "the one") if group.new == 1 else (f"{group.new:,} new connections", "those")
        return f"the client has no Session, and so opened {new}; the server would not have kept {before} before either"
    when = "right after the response" if group.at_once else f"{group.gap} after the response"
    if group.one:
        return f"the client closed {_each(group)} {when}; the server would have kept {_it(group)}"
    again = "and then opened another: a Session ended, or the program did and was run again"
    if group.passes_on:
        again = "and then opened another: it has a limit for each, or lets them go with those of its own clients"
    return f"the client closed {_each(group)} {_after(group)}, {when}, {again}"


def _unanswered(group: Group) -> str:
    return f" ({group.lost})" if group.lost else ""


def _octets(amount: str) -> str:
    return f"{amount} byte" if amount == "1" else f"{amount} bytes"


def _new_tunnels(group: Group) -> str:
    return "a new tunnel (CONNECT)" if group.new == 1 else f"{group.new:,} new tunnels (CONNECT)"


def _its(group: Group) -> str:
    return "its" if group.new == 1 else "their"


def _it(group: Group) -> str:
    return "it" if group.new == 1 else "them"


def _idle(side: str) -> Say:
    def say(group: Group) -> str:
        how = "reset" if group.with_reset else "closed"
        next_ones = "next request" if group.new == 1 else "next requests"
        came = f"; the client's {next_ones} came {group.came} after it" if group.came else ""
        return (
            f"the {side} {how} {_each(group)} {group.gap} after the last response, while no request was running"
            f"{_kept(group)}{came}"
        )

    return say


def _kept(group: Group) -> str:
    """What speaks against a limit of idle time."""
    if not group.outlived or not group.reused:
        return ""
    return f", although it had kept idle ones for up to {group.reused}"


def _expiry(group: Group) -> str:
    when = "when it next had a request" if group.at_next_use else "while no request was running"
    reused = f"; it used connections again that had been idle for up to {group.reused}" if group.reused else ""
    said = f"; the server had said that it keeps {_it(group)} for {group.announced}" if group.announced else ""
    return f"the client itself closed {_each(group)} that had been idle for {group.gap}, {when}{reused}{said}"


def _restart(group: Group) -> str:
    refused = ", and refused new ones for a while" if group.refused else ""
    if group.dropped and group.lost:
        when = f" {group.waited} after a request" if group.waited else ""
        return f"the server closed {_each(group)}{when}, without a response to it{_unanswered(group)}{refused}"
    if group.outlived and group.gap:
        return f"the server closed {_each(group)} {group.gap} after the last response{_kept(group)}{refused}"
    return f"the server ended {_each(group)}, whatever {_its(group)} state{refused}"


def _said_close(group: Group) -> str:
    if group.encrypted:
        return f"the server ended {_each(group)} {_after(group)}, right behind a response; what it said is encrypted"
    return f"the server answered with `Connection: close`, and {_each(group)} ended {_after(group)}"


def _limit(said: str) -> Say:
    def say(group: Group) -> str:
        known = "; what it said is encrypted" if group.encrypted else f" {said}"
        return f"the server ended {_each(group)} {_after(group)}, right behind a response{known}"

    return say


def _race(group: Group) -> str:
    idle = f" that had been idle for {group.pause}" if group.pause else ""
    return (
        f"the server closed {_each(group)}{idle} just as the client sent a request on {_it(group)}: no response came"
        f"{_unanswered(group)}"
    )


def _dropped(group: Group) -> str:
    idle = f" idle for {group.pause}" if group.pause else ""
    end = "an RST answered it" if group.server_reset else "nothing ever answered it"
    if group.unheard:
        return f"a connection was silent, and the client's keep-alive probes got no answer{_times(group)}"
    return (
        f"a request was sent on a connection{idle}, and {end}; no FIN had come before{_times(group)}"
        f"{_unanswered(group)}"
    )


def _unread(group: Group) -> str:
    if group.left:
        return (
            f"the client did not read the whole response ({_octets(group.left)} never came), so that the connection"
            f" could not be used again{_times(group)}"
        )
    if group.closes_unread and group.at_once:
        return f"the client closed {_each(group)} right after the response, as this one does where the body is not read"
    if group.with_reset:
        how = "before the response was over" if group.unfinished else "although the response was whole"
        why = "it had not read all of it" if group.unfinished else "as one does that had not read all of it"
        return f"the client closed {_each(group)} with an RST {how}{':' if group.unfinished else ','} {why}"
    return f"the client left a response unread, so that its connection could not be used again{_times(group)}"


IN_USE, NO_TLS, UNUSED, AFTER_UNUSED, BESIDE_UNUSED, DROPPED, BESIDE, GIVEN_UP, ALONE = range(9)
"""What is known of connections that nothing explains."""

_SHORTLY = {
    IN_USE: "while others were in use or being opened",
    NO_TLS: "closed by the client before TLS was agreed",
    UNUSED: "never used",
    AFTER_UNUSED: "after one that was closed unused",
    BESIDE_UNUSED: "beside one that was never used",
    DROPPED: "after the server had closed without an answer",
    BESIDE: "beside an open one",
    GIVEN_UP: "after one that was given up",
    ALONE: "after none that could have stood for it",
}


def _unknown(group: Group) -> str:
    """Of one kind in full; of several, how many are of each, or which there are, where not all were looked at."""
    opened = f"{number(group.new, 'connection')} opened"
    if len(group.kinds) > 1:
        known = sum(group.kinds.values()) == group.new
        several = [
            f"{count:,} {_SHORTLY[kind]}" if known else f"some {_SHORTLY[kind]}" for kind, count in group.kinds.items()
        ]
        return f"{opened}, and nothing in the packets says why: {listed(several)}"
    (kind,) = group.kinds
    if kind == IN_USE:
        return (
            f"{opened} while the others were in use or being opened, or had just been, and one of these was free again"
            " before the new one carried a request: a close race, and nobody's fault"
        )
    if kind == NO_TLS:
        return (
            f"{opened}, and closed by the client before TLS was agreed, as where it does not trust the server's"
            " certificate"
        )
    if kind == UNUSED:
        return f"{opened} and never used"
    if kind == AFTER_UNUSED:
        return f"{opened} after one that was closed without ever carrying a request"
    if kind == BESIDE_UNUSED:
        return f"{opened} while one was open that never carried a request"
    if kind == DROPPED:
        lost = _unanswered(group)
        return f"{opened} after the server had closed the one before without an answer to its request{lost}"
    if kind == ALONE:
        return f"{opened}, and nothing in the packets says why"
    why = "the open one was not used" if kind == BESIDE else "the one before was given up"
    return f"{opened}, and nothing in the packets says why {why}"


def _error(group: Group) -> str:
    if group.no_tunnel:
        return f"the proxy refused the tunnel (CONNECT) with {group.statuses}, and {_each(group)} ended there"
    if group.some_no_tunnel:
        return f"{_each(group)} ended after an error ({group.statuses}), of a CONNECT or another request"
    others = "keeps them after other responses" if group.keeps_others else "the capture has no other response"
    return f"the server closed {_each(group)} after an error ({group.statuses}), and {others}"


_WORDS: dict[str, Say] = {
    "no-session": _no_session,
    "response-close-header": _said_close,
    "server-idle-timeout": _idle("server"),
    "server-reset-idle": _idle("server"),
    "tls-close-notify": lambda group: (
        f"the server ended {_each(group)} with a TLS alert (close_notify) and a FIN"
        + (f", {group.gap} after the last data" if group.gap else "")
    ),
    "balancer-idle-timeout": _expiry,
    "client-idle-expiry": _expiry,
    "http10": lambda group: f"HTTP/1.0 without keep-alive: {_each(group)} closed {_after(group)}",
    "server-never-keeps-alive": lambda group: f"the server ended {_each(group)} after the first response, every time",
    "max-requests-announced": _limit("that says so"),
    "max-requests-silent": _limit("that did not say so"),
    "error-closes": _error,
    "no-length": lambda group: (
        f"the response has neither a length nor chunks, so that only closing the connection ends it{_times(group)}"
    ),
    "short-body": lambda group: (
        "the server closed before the whole response was sent"
        + (f": {_octets(group.left)} {'was' if group.left == '1' else 'were'} still to come" if group.left else "")
        + _times(group)
    ),
    "excess-bytes": lambda group: (
        f"the server sent bytes behind the end of a response, which no request had asked for{_times(group)}"
    ),
    "unsolicited-response": lambda group: (
        f"the server sent a response to no request on an idle connection, and closed it{_times(group)}"
    ),
    "early-response": lambda group: (
        f"the server answered{' ' + group.statuses if group.statuses else ''} before the request body was sent, and the"
        f" rest of the body made the connection useless{_times(group)}"
    ),
    "bodiless-quirk": lambda group: (
        f"the connection was lost behind a response without a body (HEAD, 204, 304), which need not end it"
        f"{_times(group)}"
    ),
    "request-close-header": lambda group: (
        f"the request itself asked for it with `Connection: close`, and {_each(group)} closed"
    ),
    "connection-auth": lambda group: (
        "the server asked for an authentication that is bound to the connection (NTLM or Negotiate), and the client"
        f" went on with another connection{_times(group)}"
    ),
    "keepalive-race": _race,
    "path-dropped": _dropped,
    "body-unread": _unread,
    "client-timeout": lambda group: (
        f"the client gave up and closed {_each(group)}"
        + (f" {group.waited} after the request" if group.waited else "")
        + f", before the response was there{_unanswered(group)}"
    ),
    "client-fault": lambda group: (
        f"the client closed {_each(group)} {group.waited or 'at once'} after a request, without waiting for the"
        " response"
    ),
    "server-restart": _restart,
    "pool-full": lambda group: (
        "the client "
        + (f"made up to {group.most:,} requests at the same time, and " if group.most > 1 else "")
        + f"closed {_each(group)} right after the response while it went on using others: its pool had no room"
    ),
    "pool-evicted": lambda group: (
        f"the client closed {_each(group)} as it opened one to another server: it keeps connections to a few servers"
        " only"
    ),
    "separate-pools": lambda group: (
        f"{number(group.new, 'connection')} opened"
        + (" while" if group.was_open else " after")
        + f" another program's ({group.other}) was {'idle' if group.was_open else 'closed'}: each has its own"
        if group.other
        else f"{number(group.new, 'connection')} opened while another one was idle"
        + (
            ", and both were used afterwards: the client has several pools"
            if group.goes_on
            else " that had been used several times, and was not used again"
        )
    ),
    "tls-settings-differ": lambda group: (
        f"{number(group.new, 'TLS connection')} opened to the same server name while another one was idle, each used in"
        " turn"
    ),
    "host-spelling": lambda group: f"the same server is called by different names: {group.names}",
    "redirect": lambda group: f"a redirect led the client to {group.name or group.server}{_times(group)}",
    "proxy-tunnel": lambda group: (
        f"the client asked the proxy for {_new_tunnels(group)} while one to the same place was open and idle"
        if group.was_open
        else f"the client closed {_each(group)} right after the response, and asked the proxy for"
        f" {_new_tunnels(group)} to the same place"
    ),
    "alpn-fanout": lambda group: (
        f"{number(group.new + 1, 'TLS connection')} opened at the same time, and one was enough: the others carried"
        " nothing"
    ),
    "fork": lambda group: (
        "requests went out on a TLS connection without a wait for the response, and the server answered with an alert"
        f"{_times(group)}: as where two processes write to the same one"
    ),
    "h2-goaway": lambda group: f"the server ended {_each(group)} of HTTP/2: it takes no more streams on {_it(group)}",
    "concurrency": lambda group: (
        f"{number(group.new, 'connection')} opened while all others were in use, and free again before the new one"
        " could be used"
    ),
    "unknown": _unknown,
}


def sentence(cause: str, group: Group) -> str:
    """What happened, as a sentence without a full stop."""
    return _WORDS.get(cause, _WORDS["unknown"])(group)
