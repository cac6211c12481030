from __future__ import annotations

from textwrap import dedent

from reports import discarded, idle_timeout, many_causes, proved, separate_pools, two_pairs, with_findings

from verifier.judge.model import Finding, Report
from verifier.report.terminal import Style
from verifier.report.why import also_seen, reasons

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
          Every connection begins with a handshake (SYN, SYN-ACK, ACK): a round trip
          before its first request. One that is kept open (keep-alive) takes the next
          request without it. Here new ones were opened all the same:

          server-idle-timeout: the server's idle timeout
            The server closed 2 connections 5.00 s after their last response; each next
            request needed a new one.
            Means     A server keeps an unused connection open for a limited time only,
                      and then closes it. The client was silent for longer than that
                      between two requests, so the second one needed a new connection.
                      Nothing is broken: the server's limit is just shorter than the
                      client's pauses.
            Measured  server idle timeout = 5.00 s, shown by 2 of 2 connections
            Fault     the server's. This is certain: the packets and what the client
                      knows prove it.
            Cost      2 extra handshakes; 0.42 ms of waiting; 14 packets (924 B)
            Where     connections #1, #2
            Frames    7  last byte of a response
                      9  FIN of the server, 5.00 s later
            Fix in the server
              Start uvicorn with `--timeout-keep-alive SECONDS` (default 5) above the
              client's pauses.

          verify causes server-idle-timeout explains more.
        """
    )


def test_what_packets_can_not_prove() -> None:
    drawn = in_one_line(why(separate_pools()))
    assert (
        "Fault the client's, as it seems: the packets fit, but can't prove it. It could also be other TLS "
        "settings for each request (tls-settings-differ) or one server under several names (host-spelling)." in drawn
    )
    assert "Cost 1 extra handshake, 50 % of all; 0.21 ms of waiting; 7 packets (462 B)" in drawn
    assert "Fix in the client Share one" in drawn


def test_a_saved_capture_has_packets_alone() -> None:
    report = with_findings()._replace(run=())
    assert "This is certain: the packets prove it." in in_one_line(why(idle_timeout(), report=report))


def test_what_holds_besides() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(also=("http10", "odd-code"))))
    assert "prove it. Besides, this holds: an HTTP/1.0 server (http10); odd-code." in drawn


def test_an_unknown_cause_blames_nobody() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(cause="unknown", blame="nobody", measured=())))
    assert "Fault not known: the packets don't tell." in drawn
    assert "nobody" not in drawn


def test_the_path_between() -> None:
    drawn = in_one_line(why(idle_timeout()._replace(cause="path-dropped", blame="path")))
    assert "Fault that of something between client and server" in drawn
    assert "Fix on the way" in drawn


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
    assert lines[-1] == "  verify causes CAUSE explains more."


def test_findings_of_one_cause_are_told_once() -> None:
    drawn = why(*many_causes().findings, report=many_causes(), style=WIDE)
    assert drawn.count("the server's idle timeout") == 1
    assert (
        "10.0.0.1 → 10.0.1.1:80: connections #1, #2, #3, #4, #5, #6 and 39,993 more; the same at 1 more pair for "
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


def test_what_cost_nothing_stands_apart() -> None:
    report = with_findings()._replace(findings=(discarded(),))
    assert reasons(report, NARROW) == []
    assert "\n".join(also_seen(report, NARROW)) == golden(
        """
        Also seen, at no extra handshake
          pool-full: a pool too small for the requests at once
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
