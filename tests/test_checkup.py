from __future__ import annotations

from textwrap import dedent

from verifier.doctor import Row
from verifier.report.checkup import render
from verifier.spelling import Style

ROWS = (
    Row("system", True, "Linux 6.1", "", True),
    Row("capture", False, "this user may not capture: Operation not permitted", "sudo verify doctor", True),
    Row("display", False, "none", "ssh -X", False),
)


def test_what_is_missing_comes_with_what_mends_it() -> None:
    assert render(ROWS, Style(48, color=False, unicode=True)) == dedent(
        """\
        ok    system   Linux 6.1
        FAIL  capture  this user may not capture:
                       Operation not permitted
                       sudo verify doctor
        lack  display  none
                       ssh -X
        """
    )


def test_colours() -> None:
    painted = render(ROWS, Style(120, color=True, unicode=True)).splitlines()
    assert painted[0].startswith("\x1b[1;32mok  \x1b[0m")
    assert painted[1].startswith("\x1b[1;31mFAIL\x1b[0m")
    assert painted[3].startswith("\x1b[1;33mlack\x1b[0m")
