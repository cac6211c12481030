"""Interfaces and routes, as the kernel tells them."""

from __future__ import annotations

import socket

import pytest
from apart import in_own_network

from verifier.errors import VerifierError
from verifier.sources.interface import attributes, find, interfaces, leading_to, messages


def test_loopback_is_found() -> None:
    lo = find("lo")
    assert lo.loopback
    assert lo.up
    assert lo.hardware == 772
    assert lo.number == socket.if_nametoindex("lo")
    assert [each.name for each in interfaces()] == [name for _, name in socket.if_nameindex()]


def test_an_unknown_interface_is_answered_with_those_there_are() -> None:
    with pytest.raises(VerifierError) as caught:
        find("eth99")
    assert caught.value.problem == "unknown interface eth99"
    assert "lo" in caught.value.mend


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"])
def test_local_addresses_lead_to_loopback(address: str) -> None:
    assert leading_to(address).name == "lo"


def test_routes_lead_to_their_interface() -> None:
    said = in_own_network(
        """
        run("ip link add near type veth peer name far")
        run("ip link set near up"); run("ip link set far up"); run("ip link set lo up")
        run("ip addr add 192.0.2.1/24 dev near")
        run("ip addr add 2001:db8::1/64 dev near nodad")
        from verifier.errors import VerifierError
        from verifier.sources.interface import find, leading_to
        for address in ("192.0.2.9", "192.0.2.1", "2001:db8::9", "2001:db8::1", "fe80::1%near", "fe80::1%far"):
            print(address, leading_to(address).name)
        for address in ("198.51.100.1", "fe80::1%nowhere"):
            try:
                leading_to(address)
            except VerifierError as error:
                print(error)
        run("ip link set far down")
        print(find("far"))
        """
    )
    assert said.splitlines() == [
        "192.0.2.9 near",
        "192.0.2.1 lo",
        "2001:db8::9 near",
        "2001:db8::1 lo",
        "fe80::1%near near",
        "fe80::1%far far",
        "no route to 198.51.100.1: Network is unreachable; `ip route` shows the routes of this system",
        "unknown interface nowhere in fe80::1%nowhere; there are: lo, far, near",
        "far (down)",
    ]


def test_answers_that_are_cut_off_end_there() -> None:
    whole = b"\x14\x00\x00\x00\x10\x00\x00\x00" + b"\0" * 8 + b"abcd"
    assert list(messages(whole)) == [(16, b"abcd")]
    assert list(messages(whole + whole[:-1])) == [(16, b"abcd")]
    assert list(messages(b"\x02" + b"\0" * 20)) == []
    assert attributes(b"\x05\x00\x03\x00a\0\0\0\x06\x00\x01\x00bc\0\0") == {3: b"a", 1: b"bc"}
    assert attributes(b"\x05\x00\x03\x00a\0\0\0\xff\x00\x01\x00bc") == {3: b"a"}
