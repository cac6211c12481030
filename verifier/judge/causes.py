"""The decision: from the facts of a situation to a cause. A table, read from the top; the first row that fits names the
cause.

A row fits where all facts of `ended` and `stands` hold (see `verifier.judge.facts`: how the connection before ended,
how the two stand to each other), one of `either` where it names any, and none of `unless`. `sure` rows are decided by
the packets; of the others `also` names the causes that look the same. Order: what makes evidence worthless; what the
messages themselves say; then an earlier connection that is idle, busy, or closed, the latter by moment and first
closer.
"""

from __future__ import annotations

from verifier.judge import facts as f
from verifier.values import NamedTuple

UNKNOWN = "unknown"


class Rule(NamedTuple):
    cause: str
    ended: int = 0
    stands: int = 0
    either: int = 0
    """Of how the connection before ended: one of these has to hold."""
    unless: int = 0
    """... and none of these."""
    not_stands: int = 0
    sure: bool = True
    also: tuple[str, ...] = ()
    blame: str | None = None
    """Where it is another than the cause's usual."""
    mend: str | None = None
    """The cause whose advice helps, where that is another one."""

    def fits(self, ended: int, stands: int) -> bool:
        return (
            ended & self.ended == self.ended
            and stands & self.stands == self.stands
            and (not self.either or ended & self.either != 0)
            and not ended & self.unless
            and not stands & self.not_stands
        )


OVER = f.AT_ONCE | f.IDLE
"""The last response was whole when the connection was closed."""
DONE = OVER | f.SPENT
"""... or when the connection was given up."""
SERVER = f.SERVER_FIRST | f.BOTH_FIRST

_ANYHOW = (
    Rule("proxy-tunnel", stands=f.LEADS_ELSEWHERE, blame="nobody"),
    Rule(UNKNOWN, ended=f.DAMAGED),
    Rule("connection-auth", stands=f.AFTER_CHALLENGE | f.CLOSED),
    Rule("connection-auth", stands=f.AFTER_CHALLENGE | f.OPEN_IDLE),
    Rule("separate-pools", stands=f.OPEN_IDLE | f.OTHER_AGENT),
    Rule("separate-pools", stands=f.CLOSED | f.OTHER_AGENT),
    Rule("redirect", stands=f.REDIRECTED | f.OPEN_IDLE),
    Rule(
        "redirect",
        ended=f.AT_ONCE | f.SERVER_FIRST,
        stands=f.REDIRECTED | f.CLOSED,
        unless=f.ALWAYS_ONE | f.ALWAYS_SAID | f.NEVER_KEEPS | f.HTTP10_RESPONSE | f.ASKED_CLOSE,
        sure=False,
        also=("response-close-header",),
    ),
)

_IDLE = (
    Rule("path-dropped", ended=f.UNHEARD, sure=False, also=("server-restart",)),
    Rule("body-unread", ended=f.LEFT_UNREAD),
    Rule("body-unread", ended=f.PARTIAL, not_stands=f.GOES_ON),
    Rule(
        "body-unread",
        ended=f.CLIENT_FIRST | f.BY_RESET,
        either=OVER,
        unless=f.ENCRYPTED | f.EXCESS | f.UNASKED | f.FORWARDED,
        not_stands=f.GOES_ON,
        sure=False,
        also=("no-session",),
    ),
    # With an error it was refused: no tunnel is there.
    Rule("proxy-tunnel", ended=f.TUNNEL, stands=f.JUST_IDLE, unless=f.ERROR, sure=False, also=("concurrency",)),
    Rule(
        "proxy-tunnel",
        ended=f.TUNNEL | f.ENCRYPTED,
        unless=f.TOLD | f.ERROR,
        sure=False,
        also=("concurrency", "body-unread"),
    ),
    Rule("proxy-tunnel", ended=f.TUNNEL, stands=f.GOES_ON, unless=f.ERROR),
    Rule("proxy-tunnel", ended=f.TUNNEL, unless=f.ERROR, sure=False, also=("separate-pools", "body-unread")),
    Rule("host-spelling", stands=f.OTHER_NAME | f.ALIAS),
    Rule("host-spelling", stands=f.OTHER_NAME, sure=False, blame="nobody", also=("separate-pools",)),
    Rule("alpn-fanout", stands=f.BOTH_ENCRYPTED | f.TOGETHER | f.NEW_UNUSED, not_stands=f.IN_VAIN, sure=False),
    Rule(
        "concurrency",
        stands=f.JUST_IDLE | f.PAIR_OVERLAPS | f.FEW_EXTRA,
        not_stands=f.BOTH_ENCRYPTED,
        sure=False,
        also=("separate-pools", "no-session"),
    ),
    Rule(
        "concurrency",
        stands=f.JUST_IDLE | f.PAIR_OVERLAPS | f.PAIR_REUSES,
        not_stands=f.BOTH_ENCRYPTED,
        sure=False,
        also=("separate-pools",),
    ),
    Rule(
        "tls-settings-differ",
        stands=f.BOTH_ENCRYPTED | f.IN_TURN | f.GOES_ON,
        sure=False,
        also=("separate-pools", "no-session"),
    ),
    Rule(
        "tls-settings-differ",
        stands=f.BOTH_ENCRYPTED | f.IN_TURN | f.NEW_REUSED | f.REUSED_BEFORE,
        sure=False,
        also=("separate-pools", "no-session"),
    ),
    Rule(
        "separate-pools",
        stands=f.BOTH_ENCRYPTED | f.GOES_ON,
        sure=False,
        also=("tls-settings-differ", "concurrency"),
    ),
    # A client may not have known yet that the response was whole.
    Rule("separate-pools", stands=f.GOES_ON | f.JUST_IDLE | f.ONE_EXTRA, sure=False, also=("concurrency",)),
    Rule("separate-pools", stands=f.GOES_ON),
    Rule("separate-pools", stands=f.REUSED_BEFORE, sure=False, also=("no-session", "path-dropped")),
    Rule(UNKNOWN, ended=f.UNUSED),
    Rule("no-session", sure=False, also=("separate-pools", "body-unread")),
)

_BUSY = (
    Rule("alpn-fanout", stands=f.BOTH_ENCRYPTED | f.TOGETHER | f.NEW_UNUSED, not_stands=f.IN_VAIN, sure=False),
    Rule("alpn-fanout", ended=f.UNUSED, stands=f.BOTH_ENCRYPTED | f.TOGETHER, not_stands=f.IN_VAIN, sure=False),
    Rule(
        "path-dropped",
        ended=f.WAITING | f.UNACKNOWLEDGED,
        sure=False,
        also=("server-restart", "client-timeout"),
    ),
    Rule("no-length", ended=f.NO_LENGTH),
    Rule("body-unread", ended=f.PARTIAL | f.CLIENT_FIRST, sure=False, also=("concurrency",)),
    Rule("body-unread", ended=f.PARTIAL | f.STILL_OPEN, stands=f.GIVEN_UP, sure=False, also=("concurrency",)),
    Rule(UNKNOWN, stands=f.NEW_UNUSED),
    Rule("concurrency"),
)

_MESSAGES = (
    Rule("unsolicited-response", ended=f.UNASKED),
    Rule("bodiless-quirk", ended=f.EXCESS | f.BODILESS, blame="server"),
    Rule("excess-bytes", ended=f.EXCESS | f.CLIENT_FIRST),
    Rule("early-response", ended=f.EARLY),
    Rule("h2-goaway", ended=f.GOAWAY),
)

_UNANSWERED = (
    Rule(
        "fork",
        ended=f.WAITING | f.ENCRYPTED | f.ALERT_ANSWERS,
        either=SERVER,
        unless=f.AFTER_PAUSE,
        sure=False,
        also=("keepalive-race", "server-restart"),
    ),
    Rule("server-restart", ended=f.WAITING, either=SERVER, stands=f.REFUSED_BETWEEN),
    Rule("server-restart", ended=f.WAITING | f.SAME_INSTANT, either=SERVER),
    Rule("path-dropped", ended=f.WAITING | f.SERVER_FIRST | f.OTHER_HOPS),
    Rule(
        "path-dropped",
        ended=f.WAITING | f.UNACKNOWLEDGED,
        unless=SERVER,
        sure=False,
        also=("server-restart", "client-timeout"),
    ),
    Rule(
        "path-dropped",
        ended=f.WAITING | f.SERVER_FIRST | f.BY_RESET | f.SEVERAL,
        either=f.PAUSE_PAST_LIMIT | f.LONG_PAUSE,
        unless=f.CLOSED_BEFORE_REQUEST,
        sure=False,
        also=("keepalive-race", "server-restart"),
    ),
    Rule(
        "server-restart",
        ended=f.WAITING,
        either=SERVER,
        stands=f.KNOWING | f.TAKING_TIME,
        sure=False,
        also=("keepalive-race",),
    ),
    Rule(
        "keepalive-race",
        ended=f.WAITING | f.ENCRYPTED | f.ALERT_ANSWERS,
        either=SERVER,
        sure=False,
        also=("fork", "server-restart"),
    ),
    # What was never used, and not for long, was not kept.
    Rule(
        UNKNOWN,
        ended=f.WAITING | f.CLOSED_BEFORE_REQUEST,
        either=SERVER,
        unless=f.SEVERAL | f.AFTER_PAUSE | f.ENCRYPTED,
        blame="server",
    ),
    Rule(
        "keepalive-race",
        ended=f.WAITING | f.CLOSED_BEFORE_REQUEST | f.FORWARDED,
        either=SERVER,
        also=("balancer-idle-timeout",),
    ),
    Rule("keepalive-race", ended=f.WAITING | f.CLOSED_BEFORE_REQUEST, either=SERVER),
    Rule(
        "keepalive-race",
        ended=f.WAITING | f.SEVERAL | f.AFTER_PAUSE,
        either=SERVER,
        sure=False,
        also=("path-dropped", "server-restart"),
    ),
    Rule(
        "keepalive-race",
        ended=f.WAITING | f.SEVERAL,
        either=SERVER,
        sure=False,
        also=("max-requests-silent", "server-restart"),
    ),
    Rule(UNKNOWN, ended=f.WAITING | f.SERVER_FIRST, stands=f.KNOWING, unless=f.BY_RESET, blame="server"),
    Rule(UNKNOWN, ended=f.WAITING, either=SERVER),
    Rule("client-timeout", ended=f.TIMED_OUT, either=f.WAITING | f.PARTIAL),
    Rule("client-fault", ended=f.WAITING | f.QUICKLY | f.SEVERAL, sure=False, also=("client-timeout",)),
    Rule("client-timeout", ended=f.WAITING | f.QUICKLY, sure=False, also=("client-fault",)),
    Rule("client-timeout", ended=f.WAITING | f.ENCRYPTED, sure=False, also=("body-unread",)),
    Rule("client-timeout", ended=f.WAITING),
    Rule("server-restart", ended=f.PARTIAL, either=SERVER, stands=f.REFUSED_BETWEEN),
    Rule("server-restart", ended=f.PARTIAL | f.SAME_INSTANT, either=SERVER),
    Rule("short-body", ended=f.PARTIAL | f.BY_RESET, either=SERVER, sure=False, also=("server-restart",)),
    Rule("short-body", ended=f.PARTIAL, either=SERVER),
    Rule("client-timeout", ended=f.PARTIAL | f.STALLED, sure=False, also=("body-unread",)),
    Rule("body-unread", ended=f.PARTIAL | f.BY_RESET),
    Rule("body-unread", ended=f.PARTIAL | f.QUICKLY),
    Rule("body-unread", ended=f.PARTIAL, sure=False, also=("client-timeout",)),
)

_ANNOUNCED = (
    Rule("error-closes", ended=f.TUNNEL | f.ERROR, either=f.AT_ONCE | f.SPENT),
    Rule("request-close-header", ended=f.ASKED_CLOSE, either=DONE),
    # A client without a Session stays on a connection for a redirect alone.
    *(
        Rule("no-session", ended=sign, stands=f.SESSIONLESS, either=DONE, not_stands=f.REDIRECTED, also=(besides,))
        for sign, besides in ((f.HTTP10_RESPONSE, "http10"), (f.SAID_CLOSE, "response-close-header"))
    ),
    # Requests of HTTP/1.0 that were kept by the word of both sides, until the server said otherwise.
    Rule(
        "max-requests-announced",
        ended=f.HTTP10_REQUEST | f.SAID_CLOSE | f.SEVERAL | f.COUNT_REPEATS,
        either=DONE,
        unless=f.HTTP10_RESPONSE | f.ERROR,
    ),
    Rule(
        "response-close-header",
        ended=f.HTTP10_REQUEST | f.SAID_CLOSE | f.SEVERAL,
        either=DONE,
        unless=f.HTTP10_RESPONSE | f.ERROR,
        sure=False,
        also=("http10", "max-requests-announced"),
    ),
    Rule("http10", ended=f.HTTP10_REQUEST, either=DONE, blame="client"),
    Rule("http10", ended=f.HTTP10_RESPONSE, either=DONE),
    Rule("error-closes", ended=f.SAID_CLOSE | f.ERROR | f.ONLY_ERRORS | f.OTHERS_SAID_NOTHING, either=DONE),
    Rule("max-requests-announced", ended=f.SAID_CLOSE | f.SEVERAL | f.COUNT_REPEATS, either=DONE),
    Rule("max-requests-announced", ended=f.SAID_CLOSE | f.COUNT_ANNOUNCED, either=DONE),
    Rule(
        "max-requests-announced",
        ended=f.SAID_CLOSE | f.SEVERAL | f.COUNT_TOGETHER,
        either=DONE,
        sure=False,
        also=("server-restart", "response-close-header"),
    ),
    Rule(
        "server-never-keeps-alive",
        ended=f.SAID_CLOSE | f.NEVER_KEEPS,
        either=DONE,
        unless=f.SEVERAL,
        not_stands=f.PAIR_REUSES,
    ),
    Rule(
        "server-never-keeps-alive",
        ended=f.SAID_CLOSE | f.ALWAYS_SAID | f.NO_LENGTH,
        either=DONE,
        sure=False,
        also=("response-close-header", "no-length"),
    ),
    Rule(
        "server-never-keeps-alive",
        ended=f.SAID_CLOSE | f.ALWAYS_SAID,
        either=DONE,
        sure=False,
        also=("response-close-header",),
    ),
    Rule(
        "error-closes",
        ended=f.SAID_CLOSE | f.ERROR | f.ONLY_ERRORS,
        either=DONE,
        unless=f.SEVERAL,
        sure=False,
        also=("response-close-header",),
    ),
    Rule(
        "response-close-header",
        ended=f.SAID_CLOSE | f.ALWAYS_ONE,
        either=DONE,
        sure=False,
        also=("server-never-keeps-alive",),
    ),
    Rule("response-close-header", ended=f.SAID_CLOSE | f.NO_LENGTH, either=DONE, also=("no-length",)),
    Rule("response-close-header", ended=f.SAID_CLOSE, either=DONE),
    Rule("no-length", ended=f.NO_LENGTH, either=DONE),
)

_BY_SIZE = (
    # nginx says either word in each response: its lengths tell them apart even where they can't be read.
    Rule(
        "max-requests-announced",
        ended=f.AT_ONCE | f.ENCRYPTED | f.CLOSE_FITS | f.COUNT_REPEATS,
        unless=f.TOLD | f.IS_H2,
        sure=False,
        also=("no-session",),
    ),
    Rule(
        "response-close-header",
        ended=f.AT_ONCE | f.ENCRYPTED | f.CLOSE_FITS,
        unless=f.TOLD | f.IS_H2,
        sure=False,
        also=("max-requests-announced", "no-session"),
    ),
)

_SERVER_CLOSED = (
    Rule("server-restart", either=SERVER, stands=f.REFUSED_BETWEEN),
    Rule("server-restart", ended=f.SAME_INSTANT, either=SERVER, unless=f.IDLE),
    # A server that looks after its connections now and then closes those whose time is over together.
    Rule("server-restart", ended=f.SAME_INSTANT | f.IDLE, either=SERVER, sure=False, also=("server-idle-timeout",)),
    # Inside TLS, where messages can't be read.
    Rule(
        "tls-close-notify",
        ended=f.IS_H2 | f.ENCRYPTED | f.ALERT | f.IDLE | f.GAP_REPEATS,
        either=SERVER,
        sure=False,
        also=("server-idle-timeout", "h2-goaway"),
    ),
    Rule(
        "h2-goaway",
        ended=f.IS_H2 | f.ENCRYPTED,
        either=SERVER,
        sure=False,
        also=("server-idle-timeout", "tls-close-notify"),
    ),
    Rule(
        "max-requests-announced",
        ended=f.ENCRYPTED | f.SERVER_FIRST | f.COUNT_REPEATS,
        unless=f.TOLD,
        sure=False,
        also=("max-requests-silent", "response-close-header", "h2-goaway"),
    ),
    Rule("tls-close-notify", ended=f.ENCRYPTED | f.ALERT | f.IDLE, either=SERVER, also=("server-idle-timeout",)),
    Rule(
        "tls-close-notify",
        ended=f.ENCRYPTED | f.ALERT,
        either=SERVER,
        unless=f.UNUSED,
        sure=False,
        also=("response-close-header", "max-requests-announced", "request-close-header"),
        mend="response-close-header",
    ),
    Rule(
        "response-close-header",
        ended=f.ENCRYPTED | f.SERVER_FIRST | f.AT_ONCE,
        unless=f.TOLD,
        sure=False,
        also=("max-requests-announced", "max-requests-silent", "request-close-header"),
    ),
    # In the clear: a close that no message announced.
    Rule(
        "bodiless-quirk",
        ended=f.SERVER_FIRST | f.AT_ONCE | f.ONLY_BODILESS,
        sure=False,
        also=("max-requests-silent",),
        blame="server",
    ),
    Rule("max-requests-silent", ended=f.SERVER_FIRST | f.AT_ONCE | f.SEVERAL | f.COUNT_REPEATS),
    Rule(
        "bodiless-quirk",
        ended=f.SERVER_FIRST | f.AT_ONCE | f.BODILESS,
        sure=False,
        also=("max-requests-silent",),
        blame="server",
    ),
    Rule(
        "no-session",
        ended=f.SERVER_FIRST | f.AT_ONCE,
        stands=f.SESSIONLESS,
        unless=f.SEVERAL,
        not_stands=f.REDIRECTED,
    ),
    Rule(
        "server-never-keeps-alive",
        ended=f.SERVER_FIRST | f.AT_ONCE | f.ALWAYS_ONE,
        sure=False,
        also=("max-requests-silent",),
    ),
    Rule("max-requests-silent", ended=f.SERVER_FIRST | f.AGE_REPEATS, sure=False, also=("server-idle-timeout",)),
    Rule(
        "max-requests-silent",
        ended=f.SERVER_FIRST | f.AT_ONCE | f.SEVERAL,
        sure=False,
        also=("server-restart",),
    ),
    Rule(
        "server-never-keeps-alive",
        ended=f.SERVER_FIRST | f.AT_ONCE,
        not_stands=f.PAIR_REUSES,
        sure=False,
        also=("max-requests-silent", "server-restart"),
    ),
    Rule("server-reset-idle", ended=f.SERVER_FIRST | f.IDLE | f.BY_RESET | f.OTHER_HOPS, sure=False, blame="path"),
    Rule(
        "server-reset-idle",
        ended=f.SERVER_FIRST | f.IDLE | f.BY_RESET | f.OUTLIVED,
        sure=False,
        also=("server-restart",),
    ),
    Rule("server-reset-idle", ended=f.SERVER_FIRST | f.IDLE | f.BY_RESET),
    Rule("server-idle-timeout", ended=f.SERVER_FIRST | f.IDLE, either=f.GAP_REPEATS | f.GAP_ANNOUNCED),
    Rule(
        "server-restart",
        ended=f.SERVER_FIRST | f.IDLE | f.OUTLIVED,
        sure=False,
        also=("server-idle-timeout", "max-requests-silent"),
    ),
    Rule("server-idle-timeout", ended=f.SERVER_FIRST | f.IDLE, sure=False, also=("server-restart",)),
    Rule("server-idle-timeout", ended=f.BOTH_FIRST | f.IDLE, sure=False, also=("client-idle-expiry",)),
)

_CLIENT_CLOSED = (
    Rule("path-dropped", ended=f.CLIENT_FIRST | f.UNHEARD, sure=False, also=("server-restart",)),
    Rule("pool-full", ended=f.CLIENT_FIRST, either=f.DISCARDED),
    Rule("body-unread", ended=f.CLIENT_FIRST | f.LEFT_UNREAD),
    Rule("pool-full", ended=f.CLIENT_FIRST | f.AT_ONCE | f.OTHERS_KEPT, unless=f.ENCRYPTED),
    Rule(
        "pool-full",
        ended=f.CLIENT_FIRST | f.AT_ONCE | f.OTHERS_KEPT,
        sure=False,
        also=("response-close-header", "no-session"),
    ),
    Rule(
        "client-idle-expiry",
        ended=f.CLIENT_FIRST | f.IDLE | f.GAP_KNOWN,
        stands=f.ELSEWHERE,
        sure=False,
        also=("pool-evicted",),
    ),
    Rule(
        "client-idle-expiry",
        ended=f.CLIENT_FIRST | f.IDLE | f.GAP_KNOWN,
        stands=f.BESIDE_OTHER,
        sure=False,
        also=("pool-evicted", "no-session"),
    ),
    Rule("pool-evicted", ended=f.CLIENT_FIRST, stands=f.ELSEWHERE, either=OVER),
    # A Session for each server and its few requests looks the same.
    Rule(
        "pool-evicted",
        ended=f.CLIENT_FIRST | f.AT_ONCE | f.SEVERAL,
        stands=f.BESIDE_OTHER,
        sure=False,
        also=("no-session",),
    ),
    Rule(
        "pool-evicted",
        ended=f.CLIENT_FIRST,
        stands=f.BESIDE_RESPONSE,
        either=OVER,
        sure=False,
        also=("client-idle-expiry", "no-session"),
    ),
    Rule(
        "max-requests-announced",
        ended=f.CLIENT_FIRST | f.AT_ONCE | f.ENCRYPTED | f.COUNT_BY_SERVER,
        unless=f.TOLD | f.IS_H2,
        sure=False,
        also=("no-session",),
    ),
    Rule(
        "h2-goaway",
        ended=f.CLIENT_FIRST | f.AT_ONCE | f.ENCRYPTED | f.IS_H2 | f.COUNT_REPEATS,
        sure=False,
        also=("no-session",),
    ),
    Rule(
        "body-unread",
        ended=f.CLIENT_FIRST | f.BY_RESET,
        either=OVER,
        unless=f.ENCRYPTED | f.FORWARDED,
        sure=False,
        also=("no-session",),
    ),
    Rule("balancer-idle-timeout", ended=f.CLIENT_FIRST | f.IDLE | f.FORWARDED | f.GAP_REPEATS),
    Rule(
        "balancer-idle-timeout",
        ended=f.CLIENT_FIRST | f.IDLE | f.FORWARDED,
        sure=False,
        also=("client-idle-expiry",),
    ),
    Rule("pool-evicted", ended=f.CLIENT_FIRST | f.IDLE, stands=f.BESIDE_OTHER, sure=False, also=("no-session",)),
    Rule("no-session", ended=f.CLIENT_FIRST | f.IDLE | f.NO_EXPIRY, sure=False),
    Rule("client-idle-expiry", ended=f.CLIENT_FIRST | f.IDLE | f.GAP_REPEATS, not_stands=f.ADJACENT),
    Rule("client-idle-expiry", ended=f.CLIENT_FIRST | f.IDLE | f.GAP_KNOWN, stands=f.ADJACENT),
    Rule("client-idle-expiry", ended=f.CLIENT_FIRST | f.IDLE | f.GAP_KNOWN, sure=False, also=("no-session",)),
    Rule(
        "client-idle-expiry",
        ended=f.CLIENT_FIRST | f.IDLE,
        either=f.GAP_ABOVE_REUSE | f.GAP_REPEATS | f.SEVERAL,
        unless=f.OUTLIVED,
        sure=False,
        also=("no-session",),
    ),
    Rule(
        "client-idle-expiry",
        ended=f.CLIENT_FIRST | f.IDLE,
        stands=f.ADJACENT,
        unless=f.OUTLIVED,
        sure=False,
        also=("no-session",),
    ),
    Rule("no-session", ended=f.CLIENT_FIRST | f.IDLE, sure=False, also=("client-idle-expiry",)),
    # A tunnel for each request: what a client without a Session does through a proxy.
    Rule("no-session", ended=f.TUNNEL | f.CLIENT_FIRST | f.AT_ONCE, stands=f.SESSIONLESS, also=("proxy-tunnel",)),
    Rule(
        "proxy-tunnel",
        ended=f.TUNNEL | f.CLIENT_FIRST | f.AT_ONCE | f.ENCRYPTED,
        unless=f.SEVERAL | f.TOLD,
        sure=False,
        also=("no-session", "response-close-header"),
    ),
    Rule("proxy-tunnel", ended=f.TUNNEL | f.CLIENT_FIRST | f.AT_ONCE, unless=f.SEVERAL | f.BY_RESET),
    Rule(
        "bodiless-quirk",
        ended=f.CLIENT_FIRST | f.AT_ONCE | f.BODILESS,
        stands=f.PAIR_REUSES,
        sure=False,
        also=("no-session",),
        blame="client",
    ),
    Rule(
        "no-session",
        ended=f.CLIENT_FIRST | f.AT_ONCE | f.ENCRYPTED,
        unless=f.TOLD,
        sure=False,
        also=("response-close-header", "max-requests-announced"),
    ),
    Rule(
        "no-session",
        ended=f.CLIENT_FIRST | f.AT_ONCE,
        stands=f.PAIR_OVERLAPS | f.PAIR_REUSES,
        sure=False,
        also=("pool-full",),
    ),
    Rule(
        "no-session",
        ended=f.CLIENT_FIRST | f.AT_ONCE,
        stands=f.BESIDE_OTHER,
        sure=False,
        also=("pool-evicted",),
    ),
    Rule(
        "body-unread",
        ended=f.CLIENT_FIRST | f.AT_ONCE,
        stands=f.CLOSES_UNREAD,
        unless=f.BODILESS,
        sure=False,
        also=("no-session",),
    ),
    Rule("no-session", ended=f.CLIENT_FIRST | f.AT_ONCE | f.SEVERAL, sure=False),
    Rule("no-session", ended=f.CLIENT_FIRST | f.AT_ONCE),
    Rule("alpn-fanout", ended=f.UNUSED | f.ENCRYPTED, stands=f.TOGETHER, not_stands=f.IN_VAIN, sure=False),
)

RULES = (
    *_ANYHOW,
    *(rule._replace(stands=rule.stands | f.OPEN_IDLE) for rule in _IDLE),
    *(rule._replace(stands=rule.stands | f.OPEN_BUSY) for rule in _BUSY),
    *(
        rule._replace(stands=rule.stands | f.CLOSED)
        for rule in (*_MESSAGES, *_UNANSWERED, *_ANNOUNCED, *_BY_SIZE, *_SERVER_CLOSED, *_CLIENT_CLOSED)
    ),
    Rule(UNKNOWN),
    # Not found by `decide`: opened because others were in use, and extra all the same, as these were free again before
    # it carried anything. Concurrency is a cause, and never an extra.
    Rule(UNKNOWN, stands=f.OPEN_BUSY),
)
NEARLY_CONCURRENT = len(RULES) - 1
NEEDED = next(place for place, rule in enumerate(RULES) if rule.stands == f.LEADS_ELSEWHERE)
"""What it decides on costs nothing that could be spared."""


def decide(ended: int, stands: int) -> int:
    """The place in `RULES` of the first row that fits."""
    return next(place for place, rule in enumerate(RULES) if rule.fits(ended, stands))
