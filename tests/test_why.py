from __future__ import annotations

from textwrap import dedent

from reports import discarded, idle_timeout, many_causes, proved, saved_file, separate_pools, two_pairs, with_findings

from verifier.judge.model import Evidence, Finding, Report
from verifier.report.why import also_seen, reasons
from verifier.spelling import Style

NARROW = Style(80, color=False, unicode=True)
WIDE = Style(200, color=False, unicode=True)


def why(*findings: Finding, report: Report | None = None, style: Style = NARROW) -> str:
    return "\n".join(reasons((report or with_findings())._replace(findings=findings), style))


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def golden(block: str) -> str:
    return dedent(block).strip("\n")


def test_one_cause() -> None:
    assert why(idle_timeout()) == golden(
        """
        Why
          A new connection costs a handshake, a round trip before its request; one that
          is kept open (keep-alive) saves that. SYN opens a connection, FIN closes it,
          RST breaks it off. Why new ones were opened anyway:

          server-idle-timeout: the server's idle timeout
            The server closed 2 connections 5.00 s after their last response; each next
            request needed a new one.
            Means     A server keeps an unused connection open for a limited time only,
                      and then closes it. The client was silent for longer than that
                      between two requests, so the second one needed a new connection.
                      That is no error: the server's limit is just shorter than the
                      client's pauses.
            Measured  server idle timeout = 5.00 s, shown by 2 of 2 connections
            Due to    the server. Certain: the packets and what the client knows leave
                      no other explanation.
            Cost      2 extra handshakes; 0.42 ms of waiting, 0.21 ms each; 14 packets
                      (924 B of TLS)
            Opened    connections #1, #2
            Frames    7  last byte of a response
                      9  FIN of the server, 5.00 s later
            Fix in the server
              Start uvicorn with `--timeout-keep-alive SECONDS` (default 5) above the
              client's pauses.
            Or in the client
              Send the next request before the server's timeout.

          To read more: verify causes server-idle-timeout
        """
    )


def test_what_packets_can_not_prove() -> None:
    drawn = in_one_line(why(separate_pools()))
    assert (
        "Due to the client, as it seems: the packets fit, but can't prove it. It could also be other TLS "
        "settings for each request (tls-settings-differ) or one server under several names (host-spelling)." in drawn
    )
    assert "Cost 1 of the 2 extra handshakes; 0.21 ms of waiting; 7 packets (462 B of TLS)" in drawn
    assert "Fix in the client Share one" in drawn


def test_a_saved_capture_has_packets_alone() -> None:
    report = with_findings()._replace(run=())
    assert "Certain: the packets leave no other explanation." in in_one_line(why(idle_timeout(), report=report))


def test_a_text_begins_like_a_sentence_unless_with_a_name() -> None:
    assert "\n    The server closed.\n" in why(idle_timeout()._replace(text="the server closed."))
    assert "\n    lb.test was reached.\n" in why(idle_timeout()._replace(text="lb.test was reached."))


def test_what_holds_besides() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(also=("http10", "odd-code"))))
    assert "no other explanation. Besides, this holds: HTTP/1.0 without keep-alive (http10); odd-code." in drawn


def test_an_unknown_cause_blames_nobody() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(cause="unknown", blame="nobody", measured=())))
    assert "Due to not known: the packets don't tell." in drawn
    assert "nobody" not in drawn


def test_the_path_between() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(cause="path-dropped", blame="path")))
    assert "Due to something between client and server (a NAT, firewall, proxy or load balancer). Certain" in drawn
    assert "    Fix Start uvicorn" in why(idle_timeout()._replace(cause="path-dropped", blame="path")).replace(
        "\n     ", ""
    )


def test_a_limit_of_requests() -> None:
    [measured] = idle_timeout().measured
    limit = measured._replace(name="max requests", value=1000.0, unit="requests", seen=9, of=9)
    drawn = why(idle_timeout()._replace(measured=(limit,)))
    assert "    Measured  max requests = 1,000 requests, shown by 9 of 9 connections\n" in drawn


def test_several_causes_biggest_first_and_the_rest_in_a_line() -> None:
    lines = why(*many_causes().findings, report=many_causes(), style=WIDE).splitlines()
    numbered = [line for line in lines if line[2:3].isdigit()]
    assert numbered == [
        "  1. server-idle-timeout: the server's idle timeout",
        "  2. separate-pools: several clients with a pool each",
        "  3. max-requests-announced: the server's announced limit of requests",
        "  4. no-session: 8,000 extra handshakes, no Session, or a new one for each request",
        "  5. unknown: 6,666 extra handshakes, a cause that packets don't show",
    ]
    assert lines[-3:] == [
        "  To read more: verify causes server-idle-timeout",
        "                verify causes separate-pools",
        "                verify causes max-requests-announced",
    ]


def test_findings_of_one_cause_are_told_once() -> None:
    drawn = why(*many_causes().findings, report=many_causes(), style=WIDE)
    assert drawn.count("the server's idle timeout") == 1
    assert "Between 10.0.0.1 and 10.0.1.1:80: The server closed 2 connections 5.00 s after" in in_one_line(drawn)
    assert (
        "Opened connections #1, #2, #3, #4, #5, #6 and 39,993 more; the same at 1 more pair for "
        "20,000 extra handshakes" in in_one_line(drawn)
    )


def test_many_causes_are_cut() -> None:
    findings = tuple(idle_timeout()._replace(cause=f"cause-{number}") for number in range(14))
    drawn = why(*findings)
    assert "  and 4 more causes: --json has them all\n" in drawn
    assert len(drawn.splitlines()) < 80


def test_long_evidence_is_cut() -> None:
    finding = idle_timeout()
    drawn = why(finding._replace(evidence=finding.evidence * 50, connections=tuple(range(500))))
    assert "              and 94 more frames: --json has them all\n" in drawn
    assert "#5 and 494 more\n" in drawn


CHAIN = (
    Evidence(4, "request on #0"),
    Evidence(6, "end of the response 200 on #0"),
    Evidence(8, "the server's FIN of #0, 5.00 s after it"),
    Evidence(11, "SYN of #1: the new connection"),
    Evidence(14, "request on #1"),
    Evidence(16, "end of the response 404 on #1"),
    Evidence(18, "the server's FIN of #1, 950 ms after it"),
    Evidence(21, "SYN of #2: the new connection"),
    Evidence(25, "the server's RST of #2, 5.00 s after it"),
    Evidence(31, "SYN of #3: the new connection"),
)
"""What led to three new connections: to the second as to the first, to the third otherwise."""


def test_what_led_to_each_connection_stands_together() -> None:
    drawn = why(idle_timeout()._replace(evidence=CHAIN)).splitlines()
    at = drawn.index("    Frames     4  request on #0")
    assert drawn[at + 3 : at + 7] == [
        "              11  SYN of #1: the new connection",
        "              14, 16, 18 and 21: the same for #2",
        "              25 and 31: for #3",
        "    Fix in the server",
    ]


def test_the_frames_of_more_connections_are_counted() -> None:
    drawn = why(idle_timeout()._replace(evidence=CHAIN + CHAIN[-2:]))
    assert "              25 and 31: for #3\n              and 2 more frames: --json has them all\n" in drawn
    broken_off = why(idle_timeout()._replace(evidence=CHAIN[:5]))
    assert "              14: request on #1\n" in broken_off


def test_frames_of_several_files() -> None:
    report = with_findings()._replace(sources=(saved_file("a.pcap", 8), saved_file("b.pcap", 12)))
    split = (*CHAIN[:6], *(each._replace(source=1) for each in CHAIN[6:]))
    drawn = why(idle_timeout()._replace(evidence=split), report=report, style=WIDE)
    assert "              14 (file 1), 16 (file 1), 18 (file 2) and 21 (file 2): the same for #2\n" in drawn
    assert "              25 and 31 (file 2): for #3\n" in drawn


def test_a_side_that_can_not_be_named() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(blame="nobody", advice="Nothing to mend.")))
    assert "Due to neither side in particular. Certain" in drawn
    assert "Fix Nothing to mend." in drawn


def test_what_cost_nothing_stands_apart() -> None:
    report = with_findings()._replace(findings=(discarded(),))
    assert reasons(report, NARROW) == []
    assert "\n".join(also_seen(report, NARROW)) == golden(
        """
        Also seen, at no extra handshake
          pool-full: a pool too small for parallel requests
            2 of 12 connections were closed by the client right after one response,
            while requests overlapped.
            Frames    31  FIN of the client
            Fix       Make the pool at least as large as the number of requests at once.
        """
    )


def test_what_is_no_fault_needs_no_fix() -> None:
    busy = discarded()._replace(cause="concurrency", blame="nobody")
    assert not any("Fix" in line for line in also_seen(two_pairs()._replace(findings=(busy,)), NARROW))


def test_nothing_to_say() -> None:
    assert reasons(proved(), NARROW) == []
    assert also_seen(proved(), NARROW) == []
