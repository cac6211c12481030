"""Kernel filters for a capture: which frames reach us, and how many bytes of each.

Classic BPF (Documentation/networking/filter.rst), assembled here: the system need not have libpcap. The rule is never
to lose a frame that may matter. What the program cannot decide (a later fragment, an extension header, a header cut
short) passes, and the engine decides again; only what is surely not TCP of the wanted ports stays out. The kernel
drops a frame when a load reaches beyond its end, so the TCP header is read only after its length was checked.

A program is a list of `Op`, with strings between them as labels. Jumps name labels, and go forward only, as the
kernel wants. A conditional jump reaches 255 instructions; what may be longer (one test for each port) therefore comes
last, and is entered by an unconditional jump.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from verifier.values import NamedTuple
from verifier.vocabulary import Word

LINKTYPE_ETHERNET = 1
LINKTYPE_RAW = 101

FENCE_PROTOCOL = 0x88B5
"""EtherType of our marker frames: IEEE 802 Local Experimental EtherType 1 (IEEE 802-2014, 9.2.4)."""
FENCE_MARK_OFFSET = 8
"""Where, counted from the start of a fence's payload, the four bytes stand that tell this capture's fences from
another's."""

SNAPLEN = 262144
"""The most bytes kept of a frame: libpcap's MAXIMUM_SNAPLEN, above which readers call a file damaged."""
UNSURE_HEADERS = 128
"""Bytes kept of a frame where only headers are wanted, and where they end is not known: Ethernet with two tags, IPv6,
and 66 for more."""

MOST_PORTS = 200
"""With more ports than these, every port passes. Four instructions for each: the kernel's 4,096 (BPF_MAXINSNS) hold a
thousand. But where one program takes the place of another, both are paid for from net.core.optmem_max at that moment,
and 20,480 bytes of it, the default of older kernels, were enough for 270 (measured on Linux 6.18)."""

# include/uapi/linux/bpf_common.h
_LD_W_ABS = 0x20
_LD_H_ABS = 0x28
_LD_B_ABS = 0x30
_LD_H_IND = 0x48
_LD_B_IND = 0x50
_LD_LEN = 0x80
_LD_IMM = 0x00
_LDX_IMM = 0x01
_ADD_K = 0x04
_SUB_K = 0x14
_ADD_X = 0x0C
_AND_K = 0x54
_LSH_K = 0x64
_RSH_K = 0x74
_JA = 0x05
_JEQ = 0x15
_JGE = 0x35
_JGE_X = 0x3D
_JSET = 0x45
_RET_K = 0x06
_RET_A = 0x16
_TAX = 0x07
_TXA = 0x87

# include/uapi/linux/filter.h: loads from here read what the kernel knows beside the bytes.
_SKF_AD_OFF = -0x1000
_SKF_AD_PROTOCOL = _SKF_AD_OFF + 0
_SKF_AD_PKTTYPE = _SKF_AD_OFF + 4
_PACKET_OUTGOING = 4

_IPV4 = 0x0800
_IPV6 = 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
"""802.1Q, 802.1ad, and the older QinQ. The kernel strips the outer tag of what it receives, but not of what others
send."""
_TCP = 6
_EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)
"""Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6 (IANA, IPv6 extension
header types)."""
_SYN_FIN_RST = 0x07
_TCP_NEEDED = 14
"""Bytes of a TCP header up to and with its flags (RFC 9293, 3.1)."""


class Keep(Word):
    """Which TCP packets are captured, and how much of each."""

    FULL = "full"
    HEADERS = "headers"
    CONTROL = "control"
    """Those with SYN, FIN or RST alone, whole."""


class Wanted(NamedTuple):
    """What a filter is to let through."""

    link_type: int
    """LINKTYPE_ETHERNET or LINKTYPE_RAW."""
    keep: Keep
    ports: frozenset[int] | None
    """TCP ports, of either side; None for every port; empty for no packet but fences."""
    mark: int
    """The capture's own four bytes in its fences, as a big-endian number."""
    outgoing: bool
    """Whether frames that this system sends pass; on loopback they come back, and would count twice."""


class Op(NamedTuple):
    """One instruction. `yes` and `no` are labels, or empty for the next instruction; an unconditional jump goes to
    `yes`."""

    code: int
    k: int = 0
    yes: str = ""
    no: str = ""


def program(wanted: Wanted) -> bytes:
    """The filter as an array of struct sock_filter, in the byte order of this machine."""
    return assemble(_operations(wanted))


def describe(keep: Keep) -> str:
    """The filter in libpcap's language, for the capture file. Ports are left out: they may be added while the capture
    runs."""
    return "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0" if keep is Keep.CONTROL else "tcp"


def assemble(lines: Sequence[Op | str]) -> bytes:
    """Instructions with labels resolved. ValueError for a jump that goes back or too far: the program is wrong."""
    places: dict[str, int] = {}
    operations: list[Op] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(operations)
        else:
            operations.append(line)

    def distance(label: str, here: int, limit: int) -> int:
        if not label:
            return 0
        steps = places[label] - here - 1
        if not 0 <= steps <= limit:
            raise ValueError(f"a jump from {here} to {label} is {steps} instructions long")
        return steps

    coded = bytearray()
    for here, (code, k, yes, no) in enumerate(operations):
        if code == _JA:
            coded += _INSTRUCTION.pack(code, 0, 0, distance(yes, here, 0xFFFFFFFF))
        else:
            coded += _INSTRUCTION.pack(code, distance(yes, here, 255), distance(no, here, 255), k & 0xFFFFFFFF)
    return bytes(coded)


_INSTRUCTION = struct.Struct("=HBBI")


def _operations(wanted: Wanted) -> list[Op | str]:
    lines: list[Op | str] = []
    if not wanted.outgoing:
        lines += [Op(_LD_W_ABS, _SKF_AD_PKTTYPE), Op(_JEQ, _PACKET_OUTGOING, "drop")]
    if wanted.link_type == LINKTYPE_ETHERNET:
        lines += _ethernet(wanted.mark)
    elif wanted.link_type == LINKTYPE_RAW:
        lines += _raw(wanted.mark)
    else:
        raise ValueError(f"no filter for link type {wanted.link_type}")
    if wanted.ports is not None and not wanted.ports:
        return [*lines, "ip4", "ip6", "unsure", "drop", Op(_RET_K, 0), "fence", Op(_RET_K, SNAPLEN)]
    return lines + _ip(wanted.keep) + _tcp(wanted)


def _ethernet(mark: int) -> list[Op | str]:
    """To `ip4` or `ip6` with X at the IP header, behind up to two VLAN tags; `fence`, or `drop`."""
    lines: list[Op | str] = [Op(_LD_H_ABS, 12), Op(_JEQ, FENCE_PROTOCOL, "", "untagged")]
    lines += [Op(_LD_W_ABS, 14 + FENCE_MARK_OFFSET), Op(_JEQ, mark, "fence", "drop")]
    names = ("untagged", "tagged", "twice")
    for depth, name in enumerate(names):
        offset = 14 + 4 * depth
        lines += [name, Op(_LDX_IMM, offset), Op(_JEQ, _IPV4, "ip4"), Op(_JEQ, _IPV6, "ip6")]
        if depth + 1 < len(names):
            lines += [Op(_JEQ, tag, f"into {names[depth + 1]}") for tag in _VLAN_TAGS]
            lines += [Op(_JA, yes="drop"), f"into {names[depth + 1]}", Op(_LD_H_ABS, offset + 2)]
    # A third tag: not looked behind, so it passes.
    return [*lines, *(Op(_JEQ, tag, "unsure") for tag in _VLAN_TAGS), Op(_JA, yes="drop")]


def _raw(mark: int) -> list[Op | str]:
    """As `_ethernet`, for links without a header: there the kernel alone knows that a fence is one."""
    return [
        Op(_LD_W_ABS, _SKF_AD_PROTOCOL),
        Op(_JEQ, FENCE_PROTOCOL, "", "packet"),
        Op(_LD_W_ABS, FENCE_MARK_OFFSET),
        Op(_JEQ, mark, "fence", "drop"),
        "packet",
        Op(_LDX_IMM, 0),
        Op(_LD_B_ABS, 0),
        Op(_RSH_K, 4),
        Op(_JEQ, 4, "ip4"),
        Op(_JEQ, 6, "ip6", "drop"),
    ]


def _ip(keep: Keep) -> list[Op | str]:
    """From X at the IP header to `tcp` with X behind the part of a TCP header that is needed, which is there."""
    unsure = UNSURE_HEADERS if keep is Keep.HEADERS else SNAPLEN
    lines: list[Op | str] = [
        "ip4",
        Op(_LD_B_IND, 9),
        Op(_JEQ, _TCP, "", "drop"),
        Op(_LD_H_IND, 6),
        Op(_JSET, 0x1FFF, "unsure"),  # fragment offset (RFC 791, 3.1): no ports in here
        Op(_LD_B_IND, 0),
        Op(_AND_K, 0x0F),
        Op(_LSH_K, 2),
        Op(_ADD_X),
        Op(_TAX),
        Op(_JA, yes="whole"),
        "ip6",
        Op(_LD_B_IND, 6),
        Op(_JEQ, _TCP, "tcp6"),
        *(Op(_JEQ, extension, "unsure") for extension in _EXTENSIONS),
        "drop",
        Op(_RET_K, 0),
        "fence",
        Op(_RET_K, SNAPLEN),
        "tcp6",
        Op(_TXA),
        Op(_ADD_K, 40),
        Op(_TAX),
        "whole",
        Op(_TXA),
        Op(_ADD_K, _TCP_NEEDED),
        Op(_TAX),
        Op(_LD_LEN),
        Op(_JGE_X, yes="tcp"),
        "unsure",
        Op(_RET_K, unsure),
    ]
    return lines


def _tcp(wanted: Wanted) -> list[Op | str]:
    lines: list[Op | str] = ["tcp", Op(_TXA), Op(_SUB_K, _TCP_NEEDED), Op(_TAX)]
    if wanted.keep is Keep.CONTROL:
        lines += [Op(_LD_B_IND, 13), Op(_JSET, _SYN_FIN_RST, "flagged"), Op(_RET_K, 0), "flagged"]
    if wanted.ports is not None and len(wanted.ports) <= MOST_PORTS:
        for offset in (2, 0):
            lines.append(Op(_LD_H_IND, offset))
            for port in sorted(wanted.ports):
                miss = f"not {port} at {offset}"
                lines += [Op(_JEQ, port, "", miss), Op(_JA, yes="keep"), miss]
        lines.append(Op(_RET_K, 0))
    lines.append("keep")
    if wanted.keep is not Keep.HEADERS:
        return [*lines, Op(_RET_K, SNAPLEN)]
    # To the end of the TCP header, by its own length (RFC 9293, 3.1), of which 20 is the least that makes sense.
    lines += [Op(_LD_B_IND, 12), Op(_RSH_K, 2), Op(_AND_K, 0x3C), Op(_JGE, 20, "sane"), Op(_LD_IMM, 20), "sane"]
    return [*lines, Op(_ADD_X), Op(_RET_A)]
