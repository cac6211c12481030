"""What would settle a verdict that evidence is missing for: words for people, for each reason that saved captures give.

A live run makes its capture itself, and says what went wrong in its own words.
"""

from __future__ import annotations

from verifier.vocabulary import Reason

WHOLE_PACKETS = "capture whole packets: `tcpdump -s 0`, as it does by default"
MORE_ROOM = "capture with a larger buffer, and fewer packets: `tcpdump -B 65536 -w FILE tcp port PORT`"

MENDS = {
    Reason.HANDSHAKE_NOT_SEEN: (
        "begin the capture before the client opens its first connection, where both directions pass"
    ),
    Reason.BYTES_MISSING: f"{MORE_ROOM}; both directions, from before the first connection on",
    Reason.DROPPED_PACKETS: MORE_ROOM,
    Reason.CAPTURE_TRUNCATED: "give the capture whole: copied to its end, with all the files of its set",
    Reason.NO_REQUEST: (
        "capture where and while the client speaks HTTP/1 over TCP (`tcpdump -i any`); HTTP/3, over UDP, is not read"
    ),
    Reason.TIMES_UNSURE: "if the times are right: `reordercap IN OUT`, of Wireshark, sorts the packets by them",
    Reason.SEEN_TWICE: "capture at one place, on one interface",
    Reason.NETWORKS_UNSURE: "capture where the packets of one network pass alone",
    Reason.CLOSE_RACE: "`--max-extra N` accepts so many; or have the client make fewer requests at the same time",
}
"""By reason, where it is all there is to know."""

UNREAD = {
    "tcp-header-cut": ("cut off before the headers end", WHOLE_PACKETS),
    "link-type-unknown": ("of a link type that is not known here", "capture on a network interface: `tcpdump -i any`"),
    "fragment-lost": (
        "parts of datagrams whose other parts are not there",
        "choose packets by host, not by port, which of a datagram in parts the first alone shows",
    ),
    "packet-blank": ("nothing but zeros", MENDS[Reason.CAPTURE_TRUNCATED]),
}
"""By note, of packets that may have been TCP, and may have been anybody's handshake: what they are, and the mend."""

ONE_SIDE = "choose one side of the translation (`--client`, `--host`), or give what was captured there, alone"
CHOSEN = "choose other connections: what was asked for (`--port`, `--host`, `--client`) leaves some out"
NOT_ANSWERED = "have the server listen there: each attempt was refused or not answered"
BY_HANDSHAKES = "expect something of handshakes alone: `--max-handshakes N`"
HIDDEN_BY_TLS = f"{BY_HANDSHAKES}; or have `verify http URL` make the requests, which knows what TLS hides"
