"""The closed sets of words that the report uses. Each value is the word itself, as the JSON contract spells it.

A type checker sees enumerations. At run time they are built from plain strings: importing `enum` takes 4 ms, where
`verify analyze` of 50 packets takes 22 whole and `python -c pass` 10 (`python -X importtime`, Python 3.11).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import Enum

    class Word(str, Enum):
        """A member is its word: it prints, compares and serialises as that string."""
else:

    class Words(type):
        """A closed set: it has its members, in their order, and gives the one that a word names."""

        def __iter__(cls):
            return iter(cls._members)

        def __len__(cls):
            return len(cls._members)

        def __contains__(cls, word):
            return word in cls._members

        def __call__(cls, word):
            for member in cls._members:
                if member == word:
                    return member
            raise ValueError(f"{word!r} is no {cls.__name__}")

    class Word(str, metaclass=Words):
        """A member is its word, and there is one object of each."""

        __slots__ = ("name",)
        _members = ()

        def __init_subclass__(cls):
            words = {name: word for name, word in vars(cls).items() if not name.startswith("_")}
            for name, word in words.items():
                member = str.__new__(cls, word)
                member.name = name
                setattr(cls, name, member)
            cls._members = tuple(getattr(cls, name) for name in words)

        def __reduce__(self):
            return getattr, (type(self), self.name)


class Verdict(Word):
    PROVED = "proved"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


EXIT_STATUS = {Verdict.PROVED: 0, Verdict.REFUTED: 1, Verdict.INCONCLUSIVE: 3}


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
    TIMES_UNSURE = "times-unsure"
    NETWORKS_UNSURE = "networks-unsure"
    HANDSHAKE_NOT_SEEN = "handshake-not-seen"
    CAPTURE_TRUNCATED = "capture-truncated"
    CLOSE_RACE = "close-race"
    NO_REQUEST = "no-request"
    REQUEST_FAILED = "request-failed"
    INTERRUPTED = "interrupted"
