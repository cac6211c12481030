from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent

import pytest
from reports import (
    MS,
    START,
    Counted,
    Listed,
    connection,
    encrypted,
    exchange,
    from_file,
    inconclusive,
    interface,
    long_run,
    many_causes,
    many_pairs,
    proved,
    refuted,
    request,
    saved_file,
    totals,
    two_files,
    two_pairs,
    with_findings,
)

from verifier.app import analyze
from verifier.judge.decide import FINDINGS_LIMIT, TRANSLATED, UNSURE
from verifier.judge.model import Endpoint, Exchange, Expectation, Missing, Note, Report, Tls
from verifier.judge.options import Expectations, Selection
from verifier.report.notes import MEANING
from verifier.report.text import render
from verifier.spelling import Style
from verifier.vocabulary import ClosedWith, Closer, Handshake, Reason, Reuse, Verdict
from verifier.wire import notes

NARROW = Style(80, color=False, unicode=True)
WIDE = Style(120, color=False, unicode=True)
ASCII = Style(80, color=False, unicode=False)
RICH = Style(80, color=True, unicode=True)

EVERY = {
    "proved": proved,
    "refuted": refuted,
    "inconclusive": inconclusive,
    "from_file": from_file,
    "two_pairs": two_pairs,
    "two_files": two_files,
    "long_run": long_run,
    "many_pairs": many_pairs,
    "with_findings": with_findings,
    "many_causes": many_causes,
    "encrypted": encrypted,
}
STATUS = {Verdict.PROVED: 0, Verdict.REFUTED: 1, Verdict.INCONCLUSIVE: 3}


def text(report: Report, style: Style = NARROW) -> str:
    return render(report, style, STATUS[report.verdict])


def golden(block: str) -> str:
    return dedent(block).lstrip("\n")


def lines_with(report: Report, what: str, style: Style = NARROW) -> list[str]:
    return [line.strip() for line in text(report, style).splitlines() if what in line]


def test_proved() -> None:
    assert text(proved()) == golden(
        """
        ✓ PROVED  2 requests, 1 handshake: the connection was re-used

          #  REQUEST   STATUS  CONNECTION    TIME  HANDSHAKE FRAMES
          1  GET /get  200     #0 new      1.9 ms  3, 4, 5 in 0.21 ms
          2  GET /get  200     #0 re-used  1.9 ms  none

        Evidence, by frame number
          #0  127.0.0.1:50000 → 127.0.0.1:8080
                 3, 4, 5  SYN, SYN-ACK, ACK: handshake in 0.21 ms
                    6, 8  GET /get, 200: new
                  10, 12  GET /get, 200: re-used
                      14  FIN: the client closed first

        Expected     no extra handshakes: 0 seen, met
        Capture      lo: 17 packets, 2.04 kB over 12 ms, none dropped
        Saved as     demo.pcapng
        Wireshark    verify open demo.pcapng
        As JSON      verify analyze demo.pcapng --json --detail exchanges
        Exit status  0, proved
        """
    )


def test_refuted_without_unicode() -> None:
    head, evidence = text(refuted(), ASCII).split("\n\nEvidence")
    assert head == golden(
        """
        REFUTED  3 requests, 3 handshakes: no re-use, where 1 connection would do
                 2 extra handshakes cost 0.42 ms of waiting

          #  REQUEST   STATUS  CONNECTION       TIME  HANDSHAKE FRAMES
          1  GET /get  200     #0 new         1.9 ms  3, 4, 5 in 0.21 ms
          2  GET /get  200     #1 new, extra  1.9 ms  13, 14, 15 in 0.21 ms
          3  GET /get  200     #2 new, extra  1.9 ms  23, 24, 25 in 0.21 ms"""
    )
    assert "#1  127.0.0.1:50001 -> 127.0.0.1:8080  extra, cause unknown" in evidence
    assert evidence.endswith("Exit status  1, refuted\n")


def test_inconclusive_says_at_once_what_is_missing() -> None:
    assert text(inconclusive()).split("\n\n")[0] == golden(
        """
        ? INCONCLUSIVE  2 requests, 1 handshake seen, but evidence is missing
                        - the kernel dropped 1,204 packets on lo: enlarge --buffer-size
                          (dropped-packets)
                        - the marker sent after the last request was not captured
                          (capture-not-drained)"""
    )
    assert lines_with(inconclusive(), "1,204 dropped")
    assert lines_with(inconclusive(), "unproven") == ["Expected     no extra handshakes: 0 seen, unproven"]


def test_an_inconclusive_capture_says_what_would_settle_it() -> None:
    """Once, however many reasons have the same mend; where there is a verdict, nothing is left to settle."""
    code, room = Reason.BYTES_MISSING, "capture with more room"
    missing = (
        Missing(code, "a", room),
        Missing(code, "b", room),
        Missing(code, "c"),
        Missing(code, "d", "begin sooner"),
    )
    unsettled = from_file()._replace(verdict=Verdict.INCONCLUSIVE, inconclusive_because=missing)
    foot = text(unsettled).rpartition("\n\n")[2].splitlines()
    place = foot.index("To settle    capture with more room")
    assert foot[place + 1] == "             begin sooner"
    assert lines_with(unsettled, "more room") == [foot[place]]
    assert not lines_with(unsettled._replace(verdict=Verdict.REFUTED), "To settle")
    assert not lines_with(inconclusive(), "To settle")


def test_what_is_missing_beside_a_refutation_is_said_later() -> None:
    report = refuted()._replace(inconclusive_because=inconclusive().inconclusive_because)
    head, _, rest = text(report).partition("\n\n")
    assert "dropped" not in head
    assert "Missing, though not for this verdict\n  - the kernel dropped" in rest


def test_a_capture_of_few_exchanges_lists_them_by_pair() -> None:
    assert text(two_pairs()).split("\n\nEvidence")[0] == golden(
        """
        ✓ PROVED  3 requests, 2 handshakes: no connection was opened in vain

          #  REQUEST   STATUS  CONNECTION    TIME  HANDSHAKE FRAMES

          127.0.0.1 → 127.0.0.1:8080  1 handshake, 1 needed
          1  GET /get  200     #0 new      1.2 ms  3, 4, 5 in 0.21 ms
          2  GET /get  200     #0 re-used  1.2 ms  none

          2001:db8::1 → [2001:db8::2]:80  1 handshake, 1 needed
          3  GET /get  200     #1 new      1.2 ms  23, 24, 25 in 0.21 ms"""
    )


def test_frames_of_several_files_say_which() -> None:
    drawn = text(two_files()._replace(notes=(Note("retransmission", 12, 7),)))
    assert drawn.partition("\n\n")[2] == golden(
        """
          #  REQUEST   STATUS  CONNECTION    TIME  HANDSHAKE FRAMES       IN

          127.0.0.1 → 127.0.0.1:8080  1 handshake, 1 needed
          1  GET /get  200     #0 new      1.2 ms  3, 4, 5 in 0.21 ms     file 1
          2  GET /get  200     #0 re-used  1.2 ms  none

          2001:db8::1 → [2001:db8::2]:80  1 handshake, 1 needed
          3  GET /get  200     #1 new      1.2 ms  23, 24, 25 in 0.21 ms  file 2

        Evidence, by frame number
          #0  127.0.0.1:50000 → 127.0.0.1:8080  file 1
                 3, 4, 5  SYN, SYN-ACK, ACK: handshake in 0.21 ms
                    6, 8  GET /get, 200: new
                  10, 12  GET /get (file 2), 200: re-used
                      14  FIN: the client closed first
          #1  [2001:db8::1]:40000 → [2001:db8::2]:80  file 2
              23, 24, 25  SYN, SYN-ACK, ACK: handshake in 0.21 ms
                  26, 28  GET /get, 200: new
                      30  FIN: the client closed first

        Expected     no extra handshakes: 0 seen, met
        Notes        retransmission (bytes that were sent again): 12 times, first in
                       frame 7 (file 1)
        Capture      file 1, a.pcap: 8 packets, 960 B over 12 ms
                     file 2, b.pcap: 12 packets, 1.44 kB over 12 ms
        As JSON      verify analyze a.pcap b.pcap --json --detail exchanges
        Exit status  0, proved
        """
    )


def test_tables_and_findings_of_several_files_say_which() -> None:
    report = with_findings()
    carriers = [connection._replace(source=min(connection.id, 1)) for connection in report.details.connections()]
    report = report._replace(
        sources=(saved_file("a.pcap", 8), saved_file("b.pcap", 12)),
        details=Listed((*carriers, *carriers, *carriers)),
        totals=totals(connections=9, requests=9),
        live=None,
        run=(),
    )
    first, *rest = report.findings[0].evidence
    finding = report.findings[0]._replace(evidence=(first, *(each._replace(source=1) for each in rest)))
    drawn = text(report._replace(findings=(finding,)))
    assert "    Frames    7  last byte of a response (file 1)\n" in drawn
    assert "              9  FIN of the server, 5.00 s later (file 2)\n" in drawn
    assert "  #   CLIENT PORT  IN      HANDSHAKE FRAMES       CAUSE\n" in drawn
    assert "  #1        50001  file 2  13, 14, 15 in 0.21 ms  server-idle-timeout\n" in drawn


def test_a_capture_of_one_pair_names_it_above() -> None:
    assert text(from_file()).split("\n\n")[1].splitlines()[:2] == [
        "  127.0.0.1 → 127.0.0.1:8080  1 handshake, 1 needed",
        "  #  REQUEST   STATUS  CONNECTION    TIME  HANDSHAKE FRAMES",
    ]


def test_where_there_are_tunnels_the_table_says_that_they_count_apart() -> None:
    report = many_pairs(12)
    drawn = text(report._replace(totals=report.totals._replace(connect_requests=5)))
    assert "counted apart for each place that a tunnel" in drawn
    assert "counted apart" not in text(report)


def test_a_large_capture_lists_pairs_worst_first() -> None:
    head, rest = text(many_pairs(12)).split(
        "\n\nEvidence, by frame number: the first 10 of 124,126 extra connections\n"
    )
    assert "  CLIENT → SERVER          HANDSHAKES  NEEDED   EXTRA  REQUESTS  RE-USED\n" in head
    assert "  10.0.0.1 → 10.0.1.1:80       40,001       1  40,000   410,000  369,999\n" in head
    assert "  and 2 more pairs\n  NEEDED: the most requests that ran at the same time" in head
    assert "time, a connection for each.\n  All 12 pairs: 124,138 connections, 124,138 handshakes" in head
    assert "  #1   127.0.0.1:50001 → 127.0.0.1:8080  11, 12, 13 in 0.21 ms     unknown\n" in rest
    assert "  and 124,128 more connections: --json --detail connections has them all\n" in rest
    assert "             at least 50 % of requests re-use a connection: 90.2 % seen, met\n" in rest
    assert (
        "Notes        retransmission (bytes that were sent again): 12 times, first in\n               frame 3401\n"
        in rest
    )


def test_a_wide_terminal_has_room_for_more_columns() -> None:
    assert "CONNECTIONS  HANDSHAKES  NEEDED   EXTRA  REQUESTS  RE-USED    COST" in text(many_pairs(), WIDE)


def test_names_too_long_for_a_column_stand_above_their_figures() -> None:
    report = many_pairs(2)
    long = report.pairs[0]._replace(client="2001:db8:85a3::8a2e:370:7334")
    long = long._replace(server=long.server._replace(ip="2001:db8:85a3::8a2e:370:7335"))
    drawn = text(report._replace(pairs=(long, report.pairs[1]))).splitlines()
    at = drawn.index("  2001:db8:85a3::8a2e:370:7334 → [2001:db8:85a3::8a2e:370:7335]:80")
    assert drawn[at - 1].split() == ["CONNECTIONS", "HANDSHAKES", "NEEDED", "EXTRA", "REQUESTS", "RE-USED", "COST"]
    assert drawn[at + 1].split() == ["40,001", "40,001", "1", "40,000", "410,000", "369,999", "8.4", "s"]


def test_a_large_capture_is_not_read_through() -> None:
    report = many_pairs()
    assert isinstance(report.details, Counted)
    text(report)
    assert report.details.made < 20


def test_nor_where_no_extra_connection_is_near() -> None:
    details = Counted(1_000_000, extra=False)
    text(many_pairs()._replace(details=details))
    assert details.made < 6_000


def test_a_long_run_shows_its_handshakes() -> None:
    table = text(long_run()).split("\n\n")[1].splitlines()
    assert table[1:4] == [
        "          1  GET /get     200     #0 new         3, 4, 5 in 0.21 ms",
        "      2-100  99 requests  200     re-used        none",
        "        101  GET /get     200     #1 new, extra  413, 414, 415 in 0.21 ms",
    ]
    assert len(table) == 21


def test_extra_connections_far_from_the_first_are_found_by_the_findings() -> None:
    details = Counted(1_000_000, extra=False)
    finding = many_causes().findings[0]._replace(connections=tuple(range(900_000, 999_999)))
    drawn = text(many_causes()._replace(details=details, findings=(finding,)))
    evidence = drawn.split("Evidence, by frame number: the first 10 of 132,725 extra connections\n")[1].splitlines()
    assert [line.split()[0] for line in evidence if line.startswith("  #9")][:2] == ["#900000", "#900001"]
    assert details.made < 6_000


def test_a_run_over_several_servers_adds_them_up() -> None:
    report = two_pairs()._replace(run=(request(2, 1, Reuse.NEW), request(1, 0, Reuse.NEW)))
    table, pairs = text(report).split("\n\n")[1:3]
    assert [line.split()[0] for line in table.splitlines()] == ["#", "1", "2"]
    assert pairs.endswith("All 2 pairs: 2 connections, 2 handshakes (0 extra), 3 requests (1 re-used)")


def test_a_request_that_is_led_on_and_on_has_one_number() -> None:
    run = (request(1, 0, Reuse.NEW), *(request(1, 0, Reuse.REUSED) for _ in range(29)))
    table = text(long_run()._replace(run=run)).split("\n\n")[1]
    assert [line.split()[0] for line in table.splitlines()] == ["#", "1", "1"]
    assert "29 requests" in table


def test_a_long_run_without_any_pattern_is_cut() -> None:
    run = tuple(request(number, number % 2, Reuse.NEW if number % 2 else Reuse.REUSED) for number in range(1, 101))
    assert lines_with(long_run()._replace(run=run), "more request") == [
        "and 80 more requests, 40 of them re-used a connection"
    ]


def test_a_run_over_several_servers_names_them_without_credentials() -> None:
    url = "http://me:secret@[2001:db8::2]/a"
    report = two_pairs()._replace(run=(request(1, 0, Reuse.NEW), request(2, 1, Reuse.NEW, url)))
    assert "GET 127.0.0.1:8080/get" in text(report)
    assert "GET [2001:db8::2]/a" in text(report)
    assert "secret" not in text(report)


@pytest.mark.parametrize(
    ("url", "path"),
    [("http://h", "/"), ("http://h?q=/x", "?q=/x"), ("https://h:1/a?b@c", "/a?b@c"), ("http://h/a@b/c", "/a@b/c")],
)
def test_a_run_on_one_server_shows_the_path(url: str, path: str) -> None:
    assert f"GET {path}  " in text(proved()._replace(run=(request(1, 0, Reuse.NEW, url),)))


def test_failed_requests_and_attempts() -> None:
    refused = connection(0, 3)._replace(
        handshake=Handshake.REFUSED,
        handshake_ns=None,
        first_closer=Closer.SERVER,
        closed_with=ClosedWith.RST,
        requests=0,
    )
    refused = refused._replace(frames=refused.frames._replace(synack=None, ack=None, first_request=None, first_close=4))
    failed = request(1, 0, Reuse.UNKNOWN)._replace(status=None, error="Connection refused")
    lost = failed._replace(number=2, connection=None, error="can't resolve nowhere.test")
    report = inconclusive()._replace(
        details=Listed((refused,)),
        run=(failed, lost),
        totals=proved().totals._replace(handshakes=0, failed_attempts=1, requests=0),
    )
    drawn = text(report)
    assert "1 attempt to connect was refused or not answered\n" in drawn
    assert "  1  GET /get  failed  #0 unknown  1.9 ms  3 refused\n" in drawn
    assert "  2  GET /get  failed              1.9 ms\n" in drawn
    assert "  request 2 failed: can't resolve nowhere.test\n" in drawn
    assert "            3, 4  SYN, RST: refused\n" in drawn
    assert "closed first" not in drawn


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (Handshake.HALF, "3, 4  SYN, SYN-ACK: half, the client's ACK is not in the capture"),
        (Handshake.UNANSWERED, "3  SYN: never answered"),
        (Handshake.NOT_SEEN, "handshake not seen, the capture begins later"),
    ],
)
def test_handshakes_that_are_not_complete(state: Handshake, line: str) -> None:
    synack = 4 if state is Handshake.HALF else None
    syn = None if state is Handshake.NOT_SEEN else 3
    one = connection(0, 3)._replace(handshake=state, handshake_ns=None)
    one = one._replace(frames=one.frames._replace(syn=syn, synack=synack, ack=None))
    assert line in lines_with(from_file()._replace(details=Listed((one,), (exchange(0, 1, 6),))), line)


def test_a_handshake_without_its_answer() -> None:
    """The client went on: what is not in the capture is the server's part."""
    one = connection(0, 3)._replace(handshake=Handshake.HALF, handshake_ns=None)
    one = one._replace(frames=one.frames._replace(synack=None, ack=None))
    line = "3  SYN: half, the server's SYN-ACK is not in the capture"
    assert lines_with(from_file()._replace(details=Listed((one,), (exchange(0, 1, 6),))), line) == [line]


def test_an_answer_without_its_syn() -> None:
    """A capture of the server's direction alone has not begun too late."""
    one = connection(0, 3)._replace(handshake=Handshake.NOT_SEEN, handshake_ns=None)
    one = one._replace(frames=one.frames._replace(syn=None, ack=None))
    line = "4  SYN-ACK: the client's SYN is not in the capture"
    report = from_file()._replace(details=Listed((one,), (exchange(0, 1, 6),)))
    assert lines_with(report, line) == [line]
    assert not lines_with(report, "begins later")


@pytest.mark.parametrize("style", [NARROW, WIDE])
@pytest.mark.parametrize("client", ["2001:618:400:1234:5678:9abc:def0:5199", "192.168.100.100"], ids=["IPv6", "IPv4"])
def test_connections_of_several_pairs_keep_their_ports(client: str, style: Style) -> None:
    """By its client's port one is told from another: it is not what gives way."""
    report = two_pairs()
    made = tuple(
        connection(number, 10 * number + 1, cause="unknown" if number else None)._replace(
            client=Endpoint(client, 50_000 + number), server=Endpoint("2001:638:902:1:202:b3ff:feee:5dc2", 8080)
        )
        for number in range(9)
    )
    report = report._replace(
        totals=report.totals._replace(connections=9, handshakes=9),
        details=Listed(made, tuple(report.details.exchanges())),
    )
    evidence = text(report, style).partition("Evidence, by frame number")[2]
    assert [number for number in range(9) if f":{50_000 + number} →" not in evidence] == []


def test_a_connection_without_an_end() -> None:
    one = connection(0, 3)._replace(closed_with=ClosedWith.NONE, first_closer=Closer.NONE, closed_ns=None)
    report = from_file()._replace(details=Listed((one,), (exchange(0, 1, 6),)))
    assert lines_with(report, "still open") == ["still open where the capture ends"]


def test_requests_that_nobody_can_read() -> None:
    drawn = text(encrypted())
    assert "  #0  127.0.0.1:50000 → 127.0.0.1:8080  example.com\n" in drawn
    assert "  SYN, SYN-ACK, ACK: handshake in 0.21 ms, TLS ready 12 ms later\n" in drawn
    assert "4  first request: encrypted\n" in drawn


def test_causes_stand_in_the_table_and_before_the_evidence() -> None:
    head, table, why, *rest = text(with_findings()).split("\n\n")
    assert head == golden(
        """
        ✗ REFUTED  3 requests, 3 handshakes: no re-use, where 1 connection would do,
                   because the server closed idle connections after 5.0 s
                   2 extra handshakes cost 0.42 ms of waiting"""
    )
    assert table.splitlines() == [
        "  #  REQUEST   STATUS  CONNECTION     HANDSHAKE FRAMES       WHY",
        "  1  GET /get  200     #0 new         3, 4, 5 in 0.21 ms",
        "  2  GET /get  200     #1 new, extra  13, 14, 15 in 0.21 ms  server-idle-timeout",
        "  3  GET /get  200     #2 new, extra  23, 24, 25 in 0.21 ms  server-idle-timeout",
    ]
    assert why.startswith("Why\n")
    assert "#1  127.0.0.1:50001 → 127.0.0.1:8080  extra, cause server-idle-timeout" in rest[2]


def test_a_cause_that_has_no_room_beside_the_addresses_stands_below() -> None:
    long = with_findings().details.connection(1)._replace(cause="server-never-keeps-alive")
    tls = Tls(sni="a.rather.long.example.com", alpn=None, version=None, resumed=None)
    report = from_file()._replace(details=Listed((long._replace(tls=tls),), ()), totals=totals(1, 1))
    assert (
        "  #1  127.0.0.1:50001 → 127.0.0.1:8080  a.rather.long.example.com\n"
        "                  extra, cause server-never-keeps-alive\n" in text(report)
    )
    assert "a.rather.long.example.com  extra, cause server-never-keeps-alive\n" in text(report, WIDE)


def test_what_is_left_off_is_told_apart() -> None:
    details = Counted(12)
    report = from_file()._replace(details=details, totals=totals(12, 40)._replace(extra_handshakes=11))
    drawn = text(report)
    assert "Evidence, by frame number: the first 10 of 11 extra connections\n" in drawn
    assert "  and 2 more connections: --json --detail connections has them all\n" in drawn
    drawn = text(report._replace(totals=totals(30, 40)._replace(extra_handshakes=10)))
    assert "Evidence, by frame number: the 10 extra connections\n" in drawn
    assert "  and 20 more, none of them extra: --json --detail connections has them all\n" in drawn


def test_a_cause_that_is_no_fault_is_not_marked_as_extra() -> None:
    first, second, _ = with_findings().details.connections()
    busy = second._replace(cause="concurrency", extra=False)
    exchanges = tuple(with_findings().details.exchanges())[:2]
    report = from_file()._replace(details=Listed((first, busy), exchanges), totals=totals(2, 2, needed=2))
    assert re.search(r"  2  GET /get  200     #1 new .* 13, 14, 15 in 0.21 ms  concurrency\n", text(report))
    assert "  #1  127.0.0.1:50001 → 127.0.0.1:8080  cause concurrency\n" in text(report)


def test_mending_the_biggest_of_several_causes_saves_so_much() -> None:
    saved = "extra handshakes cost 27.9 s of waiting; fixing cause 1 below would save 60,000 of them, 8.4 s"
    assert saved in " ".join(text(many_causes()).split())
    assert "MOSTLY WHY" in text(many_causes(), WIDE)
    assert "MOSTLY WHY" not in text(many_causes(), NARROW)


def idle(number: int, carrier: int, after_ms: int, reuse: Reuse = Reuse.REUSED) -> Exchange:
    """A request `after_ms` from the start, answered 2 ms later."""
    begun = START + after_ms * MS
    made = exchange(carrier, number, 4 + 6 * number)
    return made._replace(reuse=reuse, request_ns=begun, response_end_ns=begun + 2 * MS)


def test_long_pauses_have_a_column() -> None:
    first, second = connection(0, 1, requests=3), connection(1, 31)._replace(opened_ns=START + 9_000 * MS)
    lost = idle(3, 0, 4_000)._replace(status=None, response_frame=None, response_end_ns=None)
    overlapping = idle(5, 1, 9_006)._replace(request_ns=START + 9_006 * MS)
    sent = (idle(1, 0, 0, Reuse.NEW), idle(2, 0, 1_502), lost, idle(4, 1, 9_005, Reuse.NEW), overlapping)
    report = from_file()._replace(details=Listed((first, second), sent), totals=totals(2, 5))
    table = text(report, WIDE).split("\n\n")[1].splitlines()
    assert [line[:21].rstrip() for line in table[1:]] == [
        "  #  PAUSE  REQUEST",
        "  1         GET /get",
        "  2  1.5 s  GET /get",
        "  3  2.5 s  GET /get",
        "  4         GET /get",
        "  5         GET /get",
    ]
    brief = report._replace(details=Listed((first, second), (sent[0], idle(2, 0, 900))))
    assert "PAUSE" not in text(brief, WIDE)


def test_the_pause_ends_where_the_connection_is_opened() -> None:
    second = connection(1, 31)._replace(opened_ns=START + 5_002 * MS)
    sent = (idle(1, 0, 0, Reuse.NEW), idle(1, 1, 9_005, Reuse.NEW))
    report = from_file()._replace(details=Listed((connection(0, 1), second), sent), totals=totals(2, 2))
    assert "  2  5.0 s  GET /get" in text(report, WIDE)


def test_requests_without_a_response_are_told_at_the_top() -> None:
    lost = idle(2, 0, 9)._replace(status=None, response_frame=None, response_end_ns=None, method="POST")
    report = from_file()._replace(details=Listed((connection(0, 3),), (idle(1, 0, 0, Reuse.NEW), lost)))
    [line] = lines_with(report, "got no response")
    assert line == "1 request got no response: number 2, POST /get"
    assert text(report).splitlines()[1].strip() == line
    still_open = connection(0, 3)._replace(closed_with=ClosedWith.NONE)
    report = report._replace(details=Listed((still_open,), (lost, lost, lost, lost)))
    assert lines_with(report, "no response", WIDE)[0] == (
        "4 requests had no response yet when the capture ended: number 1, POST /get; number 2, POST /get; number 3,"
    )
    incomplete = report._replace(inconclusive_because=inconclusive().inconclusive_because)
    assert not lines_with(incomplete, "when the capture ended")


def test_of_many_requests_those_without_a_response_are_counted() -> None:
    report = many_pairs()
    report = report._replace(totals=report.totals._replace(responses=report.totals.requests - 12))
    assert lines_with(report, "got no response") == ["12 requests got no response in this capture"]
    assert not lines_with(many_pairs(), "no response")


def test_a_live_run_says_itself_what_failed() -> None:
    lost = idle(1, 0, 0)._replace(status=None, response_frame=None, response_end_ns=None)
    assert not lines_with(refuted()._replace(details=Listed(tuple(refuted().details.connections()), (lost,))), "got no")


def test_every_list_is_bounded() -> None:
    report = with_findings()
    finding = report.findings[0]
    finding = finding._replace(connections=tuple(range(1000)), evidence=finding.evidence * 500)
    failed = request(1, None, Reuse.UNKNOWN)._replace(status=None, error="timed out")
    report = report._replace(
        findings=tuple(finding._replace(pair=index % 15) for index in range(30)),
        notes=(Note("out-of-order", 1, 1),) * 30,
        sources=(saved_file("x.pcap", 1),) * 30,
        run=(failed,) * 500,
        details=Counted(100_000),
        totals=many_pairs().totals,
        pairs=many_pairs().pairs,
    )
    drawn = text(report)
    assert len(drawn.splitlines()) < 220
    assert "and 994 more" in drawn
    assert "the same at 14 more pairs for 58 extra handshakes" in " ".join(drawn.split())
    assert "and 20 more notes" in drawn
    assert "and 20 more captures: --json has them all" in drawn
    assert "and 490 more failed requests" in drawn


def test_a_damaged_file_and_one_that_could_not_be_saved() -> None:
    cut = saved_file("cut.pcap", 5)._replace(truncated=True, problem="packet 6 at byte 812 is cut off")
    assert lines_with(from_file()._replace(sources=(cut,)), "cut short") == [
        "cut short: packet 6 at byte 812 is cut off"
    ]
    down = interface(17)._replace(problem="lo: Network is down during the capture")
    assert lines_with(proved()._replace(sources=(down,)), "Network is down") == [down.problem]
    live = proved().live
    assert live is not None
    drawn = text(proved()._replace(live=live._replace(saved_as=None, save_problem="No space left on device")))
    assert "Saved as     not saved: No space left on device\n" in drawn
    assert "verify open" not in drawn


def test_the_command_can_be_pasted() -> None:
    report = from_file()._replace(sources=(saved_file("my captures/it's.pcap", 17),))
    assert """Wireshark    verify open 'my captures/it'"'"'s.pcap'\n""" in text(report)
    assert "verify open" not in text(from_file()._replace(sources=(saved_file("-", 17),)))


@pytest.mark.parametrize(
    ("count", "took_ns", "said"),
    [
        (8, 86_400_000_000_000_000, "8 packets, 960 B over 1,000 days"),
        (8, -1, "8 packets, 960 B, the last one earlier than the first"),
        (1, 0, "1 packet, 120 B"),
    ],
)
def test_how_long_a_capture_took(count: int, took_ns: int, said: str) -> None:
    """Merged from years, or not in the order of time; one packet takes none."""
    source = saved_file("a.pcap", count)
    assert source.first_ns is not None
    source = source._replace(last_ns=source.first_ns + took_ns)
    assert lines_with(from_file()._replace(sources=(source,)), "Capture ") == [f"Capture      a.pcap: {said}"]


def test_a_capture_of_control_packets_says_so() -> None:
    live = proved().live
    assert live is not None
    report = proved()._replace(live=live._replace(control_only=True), sources=(interface(9, dropped=None),))
    assert lines_with(report, "Capture ") == ["Capture      lo: 9 packets, 1.08 kB over 12 ms, SYN, FIN and RST alone"]


def test_expectations_in_words() -> None:
    report = proved()._replace(
        expectations=(
            Expectation("max-extra", 3, 9, met=False),
            Expectation("max-handshakes", 1, 1, met=True),
            Expectation("min-reuse", 0.9, None, met=None),
        )
    )
    assert (
        text(report)
        .split("\n\n")[-1]
        .startswith(
            golden(
                """
            Expected     at most 3 extra handshakes: 9 seen, not met
                         at most 1 handshake: 1 seen, met
                         at least 90 % of requests re-use a connection: unknown seen,
                           unproven
            """
            )
        )
    )


@pytest.mark.parametrize(
    ("status", "said"), [(1, "1, refuted"), (0, "0, refuted, as --exit-zero asks"), (130, "130, interrupted")]
)
def test_the_exit_status_is_explained(status: int, said: str) -> None:
    assert render(refuted(), NARROW, status).splitlines()[-1] == f"Exit status  {said}"


@pytest.mark.parametrize("name", EVERY)
def test_colour_changes_nothing_else(name: str) -> None:
    painted = text(EVERY[name](), RICH)
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == text(EVERY[name]())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("style", [NARROW, WIDE, ASCII])
def test_fits_the_terminal(name: str, style: Style) -> None:
    drawn = text(EVERY[name](), style)
    assert drawn.isascii() or style.unicode
    assert max(map(len, drawn.splitlines())) <= style.width
    assert not re.search(r"[ \t]\n", drawn)


def test_nothing_of_a_stranger_reaches_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\u202e\n\x9b"
    one = connection(0, 3, cause=evil)
    report = with_findings()
    finding = report.findings[0]._replace(text=evil, advice=evil, cause=evil)
    missing = inconclusive().inconclusive_because[0]._replace(text=evil)
    failed = request(1, 0, Reuse.NEW, f"http://h/{evil}")._replace(method=evil, error=evil)
    cut = saved_file(evil, 1)._replace(truncated=True, problem=evil)
    report = report._replace(
        findings=(finding,),
        inconclusive_because=(missing,),
        sources=(cut,),
        details=Listed((one,), (exchange(0, 1, 6, target=evil)._replace(method=evil),)),
        totals=proved().totals,
        live=None,
        run=(),
    )
    for shown in (text(report), text(report._replace(run=(failed,)))):
        assert all(line.isprintable() for line in shown.splitlines())
        assert "\\x1b]0;owned" in shown


SAMPLES = Path(__file__).parent.parent / "captures"


@pytest.mark.parametrize("columns", [60, 72, 80])
@pytest.mark.parametrize(
    "path", [SAMPLES, SAMPLES / "causes", *sorted(SAMPLES.rglob("*.pcap*"))], ids=lambda path: path.name
)
def test_sample_captures_fit_the_terminal(path: Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for commands, which are there to be copied, and names that are longer than a line."""
    monkeypatch.chdir(SAMPLES)
    report = analyze([os.path.relpath(path)], Selection(), Expectations(min_reuse=0.9))
    drawn = render(report, Style(columns, color=False, unicode=True), 0)
    long = [line for line in drawn.splitlines() if len(line) > columns]
    assert [line for line in long if " verify " not in line and len(line.split()[-1]) < columns - 15] == []


def test_each_note_says_what_it_means() -> None:
    assert set(MEANING) == {*notes.CODES, FINDINGS_LIMIT, TRANSLATED, UNSURE}
    assert max(map(len, MEANING.values())) < 80
