"""The closed sets of words that the report uses. Each value is the word itself, as the JSON contract spells it."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A member is its word: it prints, compares and serialises as that string (StrEnum is 3.11 and newer)."""

    def __str__(self) -> str:
        return str(self.value)


class Verdict(Word):
    PROVED = "proved"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


class Handshake(Word):
    """How far the opening of a connection got, as far as the capture shows."""

    COMPLETE = "complete"
    HALF = "half"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NOT_SEEN = "not-seen"


class Reuse(Word):
    """What an exchange did with its connection."""

    NEW = "new"
    REUSED = "reused"
    PRE_EXISTING = "pre-existing"
    UNKNOWN = "unknown"


class Closer(Word):
    """The side whose FIN or RST came first; `both` where FINs crossed."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"
    NONE = "none"


class ClosedWith(Word):
    FIN = "fin"
    RST = "rst"
    NONE = "none"


class Protocol(Word):
    """What speaks on a connection."""

    HTTP1 = "http/1"
    H2 = "h2"
    TLS = "tls"
    OTHER = "other"


class Reason(Word):
    """Why a verdict is inconclusive: the evidence that is missing."""

    DROPPED_PACKETS = "dropped-packets"
    CAPTURE_NOT_OPEN = "capture-not-open"
    CAPTURE_NOT_DRAINED = "capture-not-drained"
    SEGMENTS_MISSING = "segments-missing"
    CONNECTION_NOT_CAPTURED = "connection-not-captured"
    REQUESTS_NOT_IN_PACKETS = "requests-not-in-packets"
    REQUESTS_UNREADABLE = "requests-unreadable"
    BYTES_MISSING = "bytes-missing"
    PACKETS_UNREADABLE = "packets-unreadable"
    SEEN_TWICE = "seen-twice"
    HANDSHAKE_NOT_SEEN = "handshake-not-seen"
    CAPTURE_TRUNCATED = "capture-truncated"
    NO_REQUEST = "no-request"
    REQUEST_FAILED = "request-failed"
    INTERRUPTED = "interrupted"
