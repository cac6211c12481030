"""The facts that a diagnosis is made of: one bit each, in two words.

A connection that was opened although its pair had one before is looked at together with one that went before it. The
first word says how that one ended (`verifier.judge.endings`), the second how the two stand to each other
(`verifier.judge.lineage`). Together they are the connection's situation; of 60,000 connections few are different.
"""

from __future__ import annotations

from verifier.values import NamedTuple


class Account(NamedTuple):
    """What a live client says of its own run."""

    facts: dict[int, int]
    """By connection."""
    session: bool
    """All requests went through one Session."""
    redirected: bool = False
    """Some of them were led to another place."""
    client: str | None = None
    """What the client calls itself: `python-requests/2.34.2`."""


# -- how the one before ended

CLIENT_FIRST = 1 << 0
"""The client's FIN or RST came first."""
SERVER_FIRST = 1 << 1
BOTH_FIRST = 1 << 2
"""FINs that crossed."""
STILL_OPEN = 1 << 3
BY_RESET = 1 << 4
"""The first close was an RST."""

UNUSED = 1 << 5
"""It never carried a request."""
WAITING = 1 << 6
"""Its last request has no response."""
PARTIAL = 1 << 7
"""Its last response is not whole."""
AT_ONCE = 1 << 8
"""It was closed right behind its last response."""
IDLE = 1 << 9
"""It was closed after an idle time."""

SAID_CLOSE = 1 << 10
"""The last response said `Connection: close`."""
ASKED_CLOSE = 1 << 11
"""The last request did."""
HTTP10_RESPONSE = 1 << 12
"""The last response was HTTP/1.0, without keep-alive."""
HTTP10_REQUEST = 1 << 13
NO_LENGTH = 1 << 14
"""The last response had no length: only the close ended it."""
EARLY = 1 << 15
"""The last response came before its request was whole."""
ERROR = 1 << 16
"""The last status was 400 or above; what is asked inside of a tunnel is left out."""
BODILESS = 1 << 17
"""The last response had no body by its nature: to HEAD, 204, 304."""
UNHEARD = 1 << 18
"""The client asked again and again whether the server is there (TCP keep-alive), and heard nothing."""
TUNNEL = 1 << 19
"""It was a tunnel through a proxy, made by CONNECT; or, with ERROR, its last request asked for one in vain."""
UPGRADED = 1 << 20
FORWARDED = 1 << 21
"""Its client passed others' requests on: a proxy or load balancer."""
EXCESS = 1 << 22
"""Bytes followed the last response that belong to none."""
UNASKED = 1 << 23
"""A response came that no request had asked for."""
ALERT = 1 << 24
"""TLS: the server sent an alert: close_notify, as far as can be told."""
ALERT_ANSWERS = 1 << 58
"""... behind the client's last data."""
GOAWAY = 1 << 25
ENCRYPTED = 1 << 26
IS_H2 = 1 << 27
SEVERAL = 1 << 28
"""It carried more than one request."""
DAMAGED = 1 << 29
"""Messages of it are missing from the capture."""
OTHER_HOPS = 1 << 30
"""The server's RST came with another hop limit than its SYN-ACK."""
UNACKNOWLEDGED = 1 << 31
"""The client's last bytes were never acknowledged."""
QUICKLY = 1 << 32
"""It was closed within milliseconds of its unanswered request, or of the beginning of its response."""
STALLED = 1 << 33
"""The response had stopped long before the close, with the client ready for more."""
AFTER_PAUSE = 1 << 34
"""It had been idle before its last request."""
LONG_PAUSE = 1 << 35
"""... for longer than servers keep connections by default."""
PAUSE_PAST_LIMIT = 1 << 36
"""... for well longer than this server keeps others."""
CLOSED_BEFORE_REQUEST = 1 << 37
"""The close was under way before its last request."""

# -- what repeats among the connections of the pair

COUNT_REPEATS = 1 << 38
"""Closed after the same number of responses as others, above one."""
COUNT_TOGETHER = 1 << 63
"""... and all of them in one instant, side by side."""
COUNT_ANNOUNCED = 1 << 39
"""Keep-Alive fields had counted down to the end."""
ALWAYS_ONE = 1 << 40
"""Every connection was closed behind its first response."""
ALWAYS_SAID = 1 << 41
"""Every response said close, and there were many."""
AGE_REPEATS = 1 << 42
GAP_REPEATS = 1 << 43
"""The idle time is that of others."""
GAP_ANNOUNCED = 1 << 44
"""The idle time is what Keep-Alive fields had said."""
OUTLIVED = 1 << 59
"""Connections were re-used after a longer idle time."""
CLOSE_FITS = 1 << 61
"""TLS: the last response is shorter than the one before by just what `close` is shorter than `keep-alive`."""
COUNT_BY_SERVER = 1 << 60
"""... and of those with this number the server was seen to close at least one."""
GAP_KNOWN = 1 << 45
"""The idle time is at least what this kind of client closes after."""
GAP_ABOVE_REUSE = 1 << 46
"""Connections were re-used after shorter pauses, and never after as long a one."""
ONLY_ERRORS = 1 << 47
"""Of the pair's responses only errors said close."""
OTHERS_SAID_NOTHING = 1 << 55
"""... and there were others."""
SAME_INSTANT = 1 << 48
"""The server closed others in the same instant, that no one timer would end together."""
NO_EXPIRY = 1 << 56
"""The client names itself as one that closes no idle connection by itself."""
SPENT = 1 << 57
"""The last exchange was whole, and had made it clear that it would be the last."""
ONLY_BODILESS = 1 << 62
"""Every unannounced close of the pair came behind a response without a body, and no other one was kept after such."""
NEVER_KEEPS = 1 << 50
"""The server names itself as one that never keeps a connection."""
OTHERS_KEPT = 1 << 49
"""The client went on with others that were open beside it."""

# -- what a live client says of it

DISCARDED = 1 << 51
"""Its pool had no room to take it back."""
TIMED_OUT = 1 << 52
"""It gave up waiting for the last response."""
TOLD = 1 << 53
"""Its messages are known from the client, where packets don't show them."""

LEFT_UNREAD = 1 << 54
"""It left bodies unread."""

# -- how the two stand to each other

OPEN_IDLE = 1 << 0
"""The one before was open, and not in use, when the new one was opened."""
OPEN_BUSY = 1 << 1
"""Each one before was open and in use."""
CLOSED = 1 << 2
"""The one before was closed, and nothing had taken its place yet."""
JUST_IDLE = 1 << 3
"""It had come to rest a moment before."""
OTHER_NAME = 1 << 4
"""The server was called by another name, or port, or address (Host field, TLS server name)."""
ALIAS = 1 << 5
"""... by names of which one is an address or localhost, or that differ in their port or in `www.` alone."""
REDIRECTED = 1 << 6
"""The request is what a redirect just before had pointed to."""
REFUSED_BETWEEN = 1 << 7
"""Attempts at the same server failed in between."""
ADJACENT = 1 << 8
"""The client closed the one before and opened the new one in one go."""
GOES_ON = 1 << 9
"""The one before was used again later."""
NEW_REUSED = 1 << 10
"""The new one carried more than one request."""
NEW_UNUSED = 1 << 11
LEADS_ELSEWHERE = 1 << 12
"""A tunnel leads to one place and carries nothing else: of the pair's connections this is the first that leads where it
does, or that is no tunnel."""
PAIR_REUSES = 1 << 13
PAIR_OVERLAPS = 1 << 14
"""Requests of the pair overlap somewhere."""
TOGETHER = 1 << 15
"""Opened before the one before could carry a request."""
ELSEWHERE = 1 << 16
"""The client was opening a connection to another server when it closed the one before, and had used others since."""
BOTH_ENCRYPTED = 1 << 17
IN_TURN = 1 << 18
"""No data of the two overlap."""
AFTER_CHALLENGE = 1 << 23
"""The last response on the one before had challenged to an authentication of the connection: NTLM, Negotiate."""
BESIDE_OTHER = 1 << 22
"""The client was opening a connection to another server when it closed the one before."""
OTHER_AGENT = 1 << 21
"""The two call themselves by different names (User-Agent): two programs."""
KNOWING = 1 << 24
"""The server had the last request of the one before when it closed that."""
TAKING_TIME = 1 << 25
"""... and closed well after a round trip."""
BESIDE_RESPONSE = 1 << 26
"""The client closed the one before just as a response from another server had come."""
FEW_EXTRA = 1 << 27
"""The pair has fewer extra connections than needed ones."""
ONE_EXTRA = 1 << 30
"""The pair has one extra connection alone."""
SESSIONLESS = 1 << 28
"""The client says that it has no Session, and so opens a connection for each request, whatever the server does."""
CLOSES_UNREAD = 1 << 29
"""The client names itself as one that closes right behind a response only where that was not read."""
IN_VAIN = 1 << 31
"""No connection of the pair ever carried a request."""
GIVEN_UP = 1 << 20
"""The one before had stopped in the middle of a body of known length, and never went on."""
REUSED_BEFORE = 1 << 19
"""The one before had carried more than one request when the new one was opened."""
