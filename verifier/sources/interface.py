"""The network interfaces of this system, and the one that leads to an address: asked of the kernel by rtnetlink.

Two requests are all there is: a dump of the links, and the route to one address, which is the kernel's own decision
for a packet that would leave now (rtnetlink(7)). Neither needs rights. Requests and answers are built and parsed by
pure functions; only `ask` has a socket.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator

from verifier.errors import VerifierError
from verifier.values import NamedTuple

# include/uapi/linux/netlink.h and rtnetlink.h
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x1
NLM_F_DUMP = 0x300
RTM_NEWLINK = 16
RTM_GETLINK = 18
RTM_NEWROUTE = 24
RTM_GETROUTE = 26
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
RTA_DST = 1
RTA_OIF = 4
RTN_LOCAL = 2
# include/uapi/linux/if.h
IFF_UP = 0x1
IFF_LOOPBACK = 0x8

_MESSAGE = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=i")
# One read takes at most this much; the kernel keeps each part of a dump under 32 KiB (netlink_dump in
# net/netlink/af_netlink.c).
_READ = 65536


class Interface(NamedTuple):
    name: str
    number: int
    """The kernel's index of it, from 1."""
    hardware: int
    """ARPHRD_ number of the link layer (include/uapi/linux/if_arp.h): 1 is Ethernet, 772 loopback."""
    up: bool
    loopback: bool
    address: bytes
    """Link-layer address; empty where the link has none (tun)."""

    def __str__(self) -> str:
        return self.name if self.up else f"{self.name} (down)"


def interfaces() -> tuple[Interface, ...]:
    """Every interface of this network namespace, in the kernel's order."""
    return tuple(_link(body) for kind, body in ask(_links_request()) if kind == RTM_NEWLINK)


def find(name: str) -> Interface:
    """The interface of that name. VerifierError, naming those there are, where there is none."""
    known = interfaces()
    for interface in known:
        if interface.name == name:
            return interface
    raise VerifierError(f"unknown interface {name}", f"there are: {', '.join(map(str, known))}")


def leading_to(address: str) -> Interface:
    """The interface on which packets to `address` (IPv4 or IPv6 as text, a zone allowed) are seen: loopback for this
    system's own.

    VerifierError where the kernel has no route.
    """
    known = {interface.number: interface for interface in interfaces()}
    target, _, zone = address.partition("%")
    ip = ipaddress.ip_address(target)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_unspecified:
        # connect(2) takes the unspecified address for loopback; the route table does not.
        return next(each for each in known.values() if each.loopback)
    if zone:
        found = next((each for each in known.values() if zone in (each.name, str(each.number))), None)
        if found is None:
            raise VerifierError(
                f"unknown interface {zone} in {address}", f"there are: {', '.join(map(str, known.values()))}"
            )
    try:
        answers = list(ask(_route_request(ip.packed, found.number if zone and found else 0)))
    except OSError as error:
        raise VerifierError(
            f"no route to {address}: {error.strerror}", "`ip route` shows the routes of this system"
        ) from error
    for kind, body in answers:
        if kind == RTM_NEWROUTE:
            local, index = _route(body)
            # The route to one's own IPv6 address names the interface that has it; the packets go over loopback all
            # the same.
            if local:
                return next(each for each in known.values() if each.loopback)
            if index in known:
                return known[index]
    raise VerifierError(f"no route to {address}", "`ip route` shows the routes of this system")


def ask(request: bytes) -> Iterator[tuple[int, bytes]]:
    """The kernel's answer as (message type, body). OSError with the kernel's own number where it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as link:
        link.bind((0, 0))
        link.send(request)
        several = _MESSAGE.unpack_from(request)[2] & NLM_F_DUMP == NLM_F_DUMP
        while True:
            for kind, body in messages(link.recv(_READ)):
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -_NUMBER.unpack_from(body)[0]
                    raise OSError(number, os.strerror(number))
                yield kind, body
            if not several:
                return


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """One read split into (message type, body); a message that is cut off ends it."""
    at = 0
    while at + _MESSAGE.size <= len(data):
        length, kind, _, _, _ = _MESSAGE.unpack_from(data, at)
        if length < _MESSAGE.size or at + length > len(data):
            return
        yield kind, data[at + _MESSAGE.size : at + length]
        at += length + 3 & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """The routing attributes in `data` by type; of a repeated type the last."""
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > len(data):
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found


def _links_request() -> bytes:
    return _request(RTM_GETLINK, NLM_F_DUMP, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def _route_request(target: bytes, index: int) -> bytes:
    family = socket.AF_INET if len(target) == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, len(target) * 8, 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(target), RTA_DST) + target
    if index:
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + _NUMBER.size, RTA_OIF) + _NUMBER.pack(index)
    return _request(RTM_GETROUTE, 0, body)


def _request(kind: int, flags: int, body: bytes) -> bytes:
    return _MESSAGE.pack(_MESSAGE.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body


def _link(body: bytes) -> Interface:
    _, hardware, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body[_LINK.size :])
    return Interface(
        name=os.fsdecode(found.get(IFLA_IFNAME, b"").rstrip(b"\0")),
        number=index,
        hardware=hardware,
        up=bool(flags & IFF_UP),
        loopback=bool(flags & IFF_LOOPBACK),
        address=found.get(IFLA_ADDRESS, b""),
    )


def _route(body: bytes) -> tuple[bool, int]:
    """Whether the address is this system's own, and the index of the interface that the route names (0 for none)."""
    kind = _ROUTE.unpack_from(body)[7]
    index = attributes(body[_ROUTE.size :]).get(RTA_OIF)
    return kind == RTN_LOCAL, _NUMBER.unpack(index)[0] if index else 0
