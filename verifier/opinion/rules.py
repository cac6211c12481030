"""The known ways in which tshark counts otherwise, each with where it is written down or how it was shown.

Those in `EXPERIMENTS` are not argued but tried: tshark reads the file again with one setting changed, and the rule
holds for a connection where it then counts as we do. The others each have a sign in the packets, which compare.py looks
for.
"""

from __future__ import annotations

from verifier.opinion.model import Rule
from verifier.values import NamedTuple

_TRIED = "tried: tshark counts the same with {}"

# -- connections and handshakes

SAME_ISN = Rule(
    "same-isn",
    "tshark takes a SYN with the initial sequence number of the connection before on the same ends for a"
    " retransmission, even after that one was closed; here any SYN after a full close opens a connection",
    "Wireshark, packet-tcp.c: a conversation is new where a SYN's number differs from base_seq",
)
LATE_SYN = Rule(
    "syn-after-data",
    "the SYN of a connection comes behind packets of it in the file: tshark tells by the first packet's numbers whether"
    " they are one, here it is told by those of the bytes that came before, and nothing goes on behind a close",
    "Wireshark, packet-tcp.c: base_seq; frame numbers of the SYN and of the packets before it",
)
ANSWER_ALONE = Rule(
    "syn-not-captured",
    "a SYN-ACK that answers none of the SYNs before it opens a connection here, whose SYN is not in the capture; tshark"
    " opens streams at a SYN alone, and gives it to the one before",
    "Wireshark, packet-tcp.c: a conversation is new where a SYN without ACK has another number; frame of the SYN-ACK",
)
TRIED_AGAIN = Rule(
    "tried-again",
    "tshark 4.6 opens another stream at a SYN that comes again, with the same number, after a reset; here an attempt"
    " that is refused and made again is one",
    "tried with 4.6.9, not so in 4.0.17: initial sequence numbers of the streams' SYNs",
)
ANSWERED_AGAIN = Rule(
    "answered-again",
    "tshark 4.6 opens another stream at a second SYN-ACK for the same SYN, where its number is another; here both are"
    " of the connection that the SYN opened",
    "tried with 4.6.9, not so in 4.0.17: acknowledgement number of the SYN-ACK that the stream begins with",
)
QUOTED_HEADERS = Rule(
    "quoted-headers",
    "tshark makes a stream of TCP heads that another packet quotes (ICMP errors, samples in sFlow or NetFlow) or that a"
    " TCP connection carries as data (OpenFlow, RPCAP); here they are no packets of a connection",
    "RFC 792; sFlow version 5, sampled headers; OpenFlow 1.0, 5.4.1",
)
SHARED_ADDRESSES = Rule(
    "shared-addresses",
    "connections with the same addresses and ports are open at the same time, in different tunnels: tshark gives all"
    " that comes to the one whose SYN came last, here each has its own",
    "frames of the connections, which take turns; the tunnels around them",
)
TRANSLATED = Rule(
    "address-translated",
    "a connection seen on both sides of an address translation is one here, and two streams in tshark",
    "RFC 3022, section 2.2: sequence numbers stay; those of both SYNs, and of both SYN-ACKs, are the same in tshark",
)
SUBFLOW = Rule(
    "mptcp-subflow",
    "a SYN with MP_JOIN opens a subflow of a connection that is there: its handshake is not counted here",
    "RFC 8684, 3.2",
)
CUT_HEADERS = Rule(
    "cut-headers",
    "the capture cuts packets off inside their TCP head: tshark makes a stream of ports alone, or of whole heads; here"
    " a head up to its flags is enough, and what has less is a note",
    "note tcp-header-cut in this report; frame.cap_len below frame.len in tshark",
)
BAD_HEADS = Rule(
    "bad-heads",
    "tshark makes a stream of TCP heads with which it finds fault itself: longer than the packet, shorter than a head"
    " can be, or behind an IP head of another version than what announces it; here they are a note",
    "RFC 9293, 3.1; tried: tcp.bogus_header_length, tcp.short_segment, ip.bogus_ip_version and _ws.malformed of the"
    " frames in tshark",
)
SYN_AND_RST = Rule(
    "syn-and-rst",
    "tshark opens a stream at any segment with SYN and another number, even one that resets, too; here one that resets"
    " opens nothing where there is a connection",
    "RFC 9293, 3.10.7.2: who listens ignores a reset, before looking for a SYN; tcp.flags of the frames in tshark",
)
OWN_CONVERSATION = Rule(
    "conversation-of-a-dissector",
    "a dissector above TCP opens a conversation of its own in the middle of a connection, and tshark numbers what comes"
    " from there on as another stream; here a connection goes on until it is closed",
    "Wireshark, packet-vnc.c: test_vnc_protocol calls conversation_new; tried: with the dissectors above TCP disabled"
    " tshark has as many streams",
)
BELOW_TCP = Rule(
    "below-tcp",
    "tshark finds no TCP in these frames: it stops at a header below, which it does not know, hands to another"
    " dissector or finds fault with; here what that header says is followed",
    "tried: frame.protocols of the frames in tshark",
)
PIECES = Rule(
    "datagram-in-pieces",
    "tshark reads the TCP head in the first piece of a datagram whose others are missing; here a datagram that is not"
    " whole is a note",
    "note fragment-lost in this report; ip.flags.mf and ip.frag_offset of the frames in tshark",
)
FILE_DAMAGED = Rule(
    "damaged-file",
    "the file is damaged, and the two stop reading it at different packets",
    "sources in this report",
)

# -- requests and responses

CONNECT_TUNNEL = Rule(
    "connect-tunnel",
    "tshark does not count all that is said inside of a tunnel that CONNECT opened; here it counts as elsewhere",
    "RFC 9110, 9.3.6",
)
METHOD_UNKNOWN = Rule(
    "method-unknown",
    "tshark recognises requests by a list of methods; here any token will do",
    "Wireshark, packet-http.c: is_http_request_or_reply; RFC 9110, 9.1",
)
CUT_PACKETS = Rule(
    "cut-packets",
    "the capture has only the beginning of packets (snaplen): what was in the rest is told differently",
    "frame.cap_len below frame.len in tshark",
)
BYTES_MISSING = Rule(
    "bytes-missing",
    "segments of the connection are not in the capture, and where reading is taken up again after them differs",
    "tcp.analysis.lost_segment and ack_lost_segment in tshark",
)
BEGINS_INSIDE = Rule(
    "begins-inside",
    "the capture begins inside the connection, perhaps inside a message: where reading starts differs",
    "no SYN of it in either count",
)
PLAIN_SIGHT = Rule(
    "dissector-missed",
    "tshark's HTTP dissector shows nothing of messages whose first lines stand in the payload of these frames, as"
    " tshark itself prints it: it loses its way in pipelined messages, unusual framing and small segments",
    "tried: tcp.payload of the frames in tshark",
)
START_LINE = Rule(
    "start-line",
    "tshark counts a message of which the first line is none of HTTP's: a request without a version or a target, or of"
    " another protocol (RTSP, SIP, STOMP...), a response such as ICY 200; here the start line has to be one",
    "RFC 9112, 3 and 4; tried: tcp.payload of the frames in tshark",
)
OTHER_ROLE = Rule(
    "other-role",
    "tshark counts requests of either side of a connection; here one side asks, and the other one answers",
    "RFC 9110, 3.3; tcp.srcport of the requests in tshark",
)
UNFINISHED_HEAD = Rule(
    "unfinished-head",
    "tshark shows what there is of a message whose head has no end; here one counts when its head is whole",
    "RFC 9112, 2.1; note http-head-unfinished in this report",
)
BAD_FRAMING = Rule(
    "bad-framing",
    "lengths that contradict themselves or are no numbers: tshark makes what it can of them; here what is behind such a"
    " response is not taken for another one",
    "RFC 9112, 6.3; note http-framing in this report",
)
DECRYPTED = Rule(
    "decrypted",
    "tshark has the secrets, in the capture or in its settings, and reads inside what is encrypted (TLS, WireGuard,"
    " ESP, DTLS, 802.11); here that stays closed",
    "draft-ietf-opsawg-pcapng, Decryption Secrets Block; tried: wg, esp, dtls and wlan.fc.protected of the frames in"
    " tshark",
)
QUOTED_MESSAGE = Rule(
    "quoted-message",
    "tshark counts a request that a body quotes (the answer to TRACE, application/http); here a body is a body",
    "RFC 9110, 9.3.8; RFC 9112, 10.1",
)
HTTP2 = Rule(
    "http2",
    "tshark reads HTTP/2 requests; here the connection is recognised, and its requests are unknown",
    "protocol h2 in this report",
)
INTERIM = Rule(
    "interim-responses",
    "tshark counts 1xx responses such as 100 Continue; here only final ones count, and 101",
    "RFC 9110, 15.2",
)
NO_REQUEST = Rule(
    "response-without-request",
    "tshark counts responses whose request is not in the capture; here they are a note",
    "note response-without-request in this report",
)


class Experiment(NamedTuple):
    """tshark reads the file again with these settings."""

    rule: Rule
    preferences: tuple[tuple[str, str], ...] = ()
    as_http: bool = False
    """Whether it is told that the server ports of connections in doubt speak HTTP."""
    hidden_alone: bool = False
    """Whether that explains only messages which we count and tshark does not."""


EXPERIMENTS = (
    Experiment(
        Rule(
            "out-of-order",
            "tshark by default loses messages whose segments came out of order, and counts some repeated ones twice;"
            " here segments are put in order first",
            _TRIED.format("tcp.reassemble_out_of_order on"),
        ),
        (("tcp.reassemble_out_of_order", "TRUE"),),
    ),
    Experiment(
        Rule(
            "unfinished-body",
            "tshark shows a message when its body is whole, and never where the capture ends before; here it counts"
            " from its head on",
            _TRIED.format("http.desegment_body off"),
        ),
        (("http.desegment_body", "FALSE"),),
        hidden_alone=True,
    ),
    Experiment(
        Rule(
            "out-of-order-and-unfinished",
            "tshark by default loses messages whose segments came out of order, or whose body has no end in the"
            " capture; here segments are put in order, and a message counts from its head on",
            _TRIED.format("tcp.reassemble_out_of_order on and http.desegment_body off"),
        ),
        (("tcp.reassemble_out_of_order", "TRUE"), ("http.desegment_body", "FALSE")),
        hidden_alone=True,
    ),
    Experiment(
        Rule(
            "another-dissector",
            "tshark gives the port, or the first bytes, to the dissector of another protocol; here HTTP is recognised"
            " by content on any port",
            _TRIED.format("that port decoded as HTTP"),
        ),
        as_http=True,
    ),
    Experiment(
        Rule(
            "another-dissector",
            "tshark gives the port to the dissector of another protocol, and loses messages out of order or without an"
            " end; here HTTP is recognised by content, and a message counts from its head on",
            _TRIED.format("that port decoded as HTTP, segments put in order, http.desegment_body off"),
        ),
        (("tcp.reassemble_out_of_order", "TRUE"), ("http.desegment_body", "FALSE")),
        as_http=True,
        hidden_alone=True,
    ),
)

METHODS = frozenset(
    {
        "BASELINE-CONTROL", "BCOPY", "BDELETE", "BMOVE", "BPROPFIND", "BPROPPATCH", "CCM_POST", "CHECKIN", "CHECKOUT",
        "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LABEL", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCOL",
        "MKWORKSPACE", "MOVE", "NOTIFY", "OPTIONS", "PATCH", "POLL", "POST", "PROPFIND", "PROPPATCH", "PUT", "REPORT",
        "RPC_CONNECT", "RPC_IN_DATA", "RPC_OUT_DATA", "SEARCH", "SSTP_DUPLEX_POST", "SUBSCRIBE", "TRACE",
        "UNCHECKOUT", "UNLOCK", "UNSUBSCRIBE", "UPDATE", "VERSION-CONTROL",
    }
)  # fmt: skip
"""Those that tshark 4.0.17 recognised of 64 that it was given."""
