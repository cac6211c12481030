"""What `verify analyze` may be given: folders, patterns, the same file twice, and what is wrong with them."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from craft import START_NS, Conversation, Packet, pcap, pcapng
from examine import reasons, totals

from verifier import arguments
from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.sources.operands import looked_up, natural

ROOT = Path(__file__).parent.parent
TIME_LIMIT_S = 60


def captured(port: int = 40000) -> list[Packet]:
    talk = Conversation(("10.0.0.1", port), now=START_NS + port * 10**9)
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    talk.close("client")
    return talk.packets()


def read(*paths: Path | str) -> Report:
    return analyze([os.fspath(path) for path in paths], Selection(), Expectations())


def problem_of(*paths: Path | str) -> str:
    with pytest.raises(VerifierError) as raised:
        read(*paths)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def names(report: Report) -> list[str]:
    return [os.path.basename(source.name) for source in report.sources]


def skipped(report: Report) -> dict[str, str]:
    return {os.path.basename(name): why for name, why in report.skipped}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Captures on three levels, by content; what is none; what is hidden."""
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.pcap").write_bytes(pcap(captured(40000)))
    (tmp_path / "b" / "holiday.jpeg").write_bytes(pcapng(captured(40001)))
    (tmp_path / "b" / "deep" / "c.gz").write_bytes(gzip.compress(pcap(captured(40002))))
    (tmp_path / ".hidden" / "d.pcap").write_bytes(pcap(captured(40003)))
    (tmp_path / ".e.pcap").write_bytes(pcap(captured(40004)))
    (tmp_path / "notes.txt").write_text("nothing of note, in some length\n")
    (tmp_path / "b" / "empty.log").write_bytes(b"")
    return tmp_path


# -- folders


def test_a_folder_is_looked_into(folder: Path) -> None:
    report = read(folder)
    assert names(report) == ["a.pcap", "holiday.jpeg", "c.gz"]
    assert totals(report) == (3, 3, 6, 6)
    assert skipped(report) == {
        "notes.txt": "not a capture (it begins with 6e 6f 74 68 69 6e 67 20)",
        "empty.log": "the file is empty",
    }


def test_links_are_followed_to_files_and_not_to_folders(folder: Path) -> None:
    elsewhere = folder.parent / f"{folder.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.pcap").write_bytes(pcap(captured(40009)))
    (folder / "linked").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    (folder / "far.pcap").symlink_to(elsewhere / "far.pcap")
    assert names(read(folder)) == ["a.pcap", "holiday.jpeg", "c.gz", "far.pcap"]
    assert names(read(folder / "linked")) == ["far.pcap"]


def test_patterns_of_any_depth_follow_no_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two links that lead up again would be ways without end."""
    (folder / "b" / "up").symlink_to(folder)
    (folder / "b" / "again").symlink_to(folder)
    monkeypatch.chdir(folder)
    for pattern, found in (
        ("**", ["a.pcap", "b/holiday.jpeg", "b/deep/c.gz"]),
        ("**/", ["a.pcap", "b/holiday.jpeg", "b/deep/c.gz"]),
        ("./**/*.[jg]*", ["./b/holiday.jpeg", "./b/deep/c.gz"]),
        ("**/deep/*", ["b/deep/c.gz"]),
        ("**/**/a*", ["a.pcap"]),
        (f"{folder}/b/**", [f"{folder}/b/holiday.jpeg", f"{folder}/b/deep/c.gz"]),
        ("[ab]/**/c.gz", ["b/deep/c.gz"]),
        ("b/up/*.pcap", ["b/up/a.pcap"]),
    ):
        assert [source.name for source in read(pattern).sources] == found
    assert problem_of("x/**") == "x/**: no file has such a name"


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    report = read(folder)
    assert len(report.sources) == 3
    assert skipped(report)["pipe"] == "no regular file"


def test_a_folder_without_a_regular_file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pipes = tmp_path_factory.mktemp("pipes")
    os.mkfifo(pipes / "pipe")
    only = f"{pipes}: its only file, pipe, is no regular file"
    assert problem_of(pipes) == problem_of(folder / "a.pcap", pipes) == only
    os.mkfifo(pipes / "another")
    assert problem_of(pipes) == f"{pipes}: none of its 2 files is a regular file"
    assert problem_of(pipes / "*") == f"{pipes}/*: none of its 2 files is a regular file"


def test_a_folder_whose_files_are_read_anyway(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    links = tmp_path_factory.mktemp("links")
    (links / "link.pcap").symlink_to(folder / "a.pcap")
    report = read(folder / "a.pcap", links)
    assert names(report) == ["a.pcap"]
    assert skipped(report) == {"link.pcap": "the same file as another one"}


def test_named_links_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("absent")
    for name, said in (("loop", "cannot be read: Too many levels of symbolic links"), ("dangling", "no such file")):
        assert arguments.read([name]).command.name == "analyze"
        assert problem_of(name) == f"{name}: {said}"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert problem_of(tmp_path) == f"{tmp_path}: the folder has no file"


def test_a_folder_without_a_capture(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("text")
    only = f"{tmp_path}: its only file, x.txt, can't be read: not a capture (it begins with 74 65 78 74); "
    assert problem_of(tmp_path).startswith(only)
    (tmp_path / "y.txt").write_text("text")
    assert problem_of(tmp_path).startswith(f"{tmp_path}: none of its 2 files is a capture that can be read; ")


def test_a_folder_without_a_capture_beside_a_capture(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    assert problem_of(folder / "a.pcap", empty) == f"{empty}: the folder has no file"


@contextmanager
def as_another_user() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_capture_in_it_that_is_not_for_this_user(folder: Path) -> None:
    """The others are read, and nothing is proved without it."""
    for path in (folder, *folder.parents):
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    (folder / "b" / "holiday.jpeg").rename(folder / "b" / "holiday.pcap")
    (folder / "b" / "holiday.pcap").chmod(0)
    (folder / "b" / "deep").chmod(0)
    with as_another_user():
        report = read(folder)
    assert names(report) == ["a.pcap", "deep", "holiday.pcap"]
    assert [source.problem for source in report.sources[1:]] == ["not readable by this user"] * 2
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"capture-truncated"}
    assert totals(report) == (1, 1, 2, 2)


def test_what_is_not_for_this_user_and_is_not_called_a_capture(folder: Path) -> None:
    """It is passed over, but for what is in a folder that bars even a look at its files."""
    for path in (folder, *folder.parents):
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    (folder / "notes.txt").chmod(0)
    with as_another_user():
        report = read(folder)
        assert problem_of(folder / "n*") == (
            f"{folder}/n*: its only file, notes.txt, can't be read: not readable by this user; "
            "pcap and pcapng are read, compressed or not"
        )
    assert names(report) == ["a.pcap", "holiday.jpeg", "c.gz"]
    assert skipped(report)["notes.txt"] == "not readable by this user"
    assert reasons(report) == set()
    (folder / "b" / "deep").chmod(0o444)
    with as_another_user():
        report = read(folder)
    assert names(report) == ["a.pcap", "holiday.jpeg", "c.gz"]
    assert [source.problem for source in report.sources] == ["", "", "not readable by this user"]
    assert reasons(report) == {"capture-truncated"}


def test_a_pattern_into_a_folder_that_is_not_for_this_user(folder: Path) -> None:
    for path in (folder, *folder.parents):
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    (folder / "b").chmod(0)
    with as_another_user():
        for pattern in ("*.pcap", "deep/*", "**/c.gz"):
            said = problem_of(folder / "b" / pattern)
            assert said == f"{folder}/b/{pattern}: {folder}/b is not readable by this user"
        assert problem_of(folder / "x*") == f"{folder}/x*: no file has such a name"


def test_a_damaged_capture_in_it(folder: Path) -> None:
    (folder / "damaged.pcap").write_bytes(pcap(captured())[:23])
    report = read(folder)
    (source,) = (source for source in report.sources if source.name.endswith("damaged.pcap"))
    assert source.truncated
    assert source.problem.startswith("damaged capture")
    assert report.verdict == "inconclusive"


# -- captures by name only


TEXT = b"nothing of note, in some length\n"
BY_NAME = (
    *("x.pcap", "x.PCAP", "x.pcapng", "x.cap", "x.dmp", "x.ntar", "x.snoop", "x.erf"),
    *("x.pcap0", "x.pcap12", "x.pcapng007", "x_00001_20261122131713.pcap", "x.pcap.1", "x.pcap-2026-11-22"),
    *("x.pcap.gz", "x.pcap1.zst", "x.cap.lz4", "x.pcapng.xz", "x.pcap.2.bz2", "x.pcap.gz.3", "x.pcap.zip", "x.pcap.Z"),
    *("x.pcap.tar.gz", "x.pcap.tgz"),
)
BY_NO_NAME = (
    *("notes.conf", "notes", "pcap", "pcap.txt", "x.pcap.txt", "x.pcap.sha256", "x.pcapx", "xpcap", "x.capture"),
    *("x.gz", "x.1", "x.pcap1a", "x.recap", "x.pcap.", "x.pcap" + "1" * 200 + "x"),
)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(TEXT)


def packed(path: Path) -> None:
    path.write_bytes(gzip.compress(TEXT))


def dangling(path: Path) -> None:
    path.symlink_to("absent")


WAYS = pytest.mark.parametrize("make", [empty, overwritten, packed, dangling])


@WAYS
@pytest.mark.parametrize("name", BY_NAME)
def test_a_capture_by_its_name_only_is_one_that_cannot_be_read(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """The packets that it should have may be those that refute."""
    (tmp_path / "a.pcap").write_bytes(pcap(captured()))
    make(tmp_path / name)
    for operand in (tmp_path, tmp_path / "*"):
        report = read(operand)
        assert (names(report), report.skipped) == (["a.pcap", name], ())
        assert report.sources[1].truncated
        assert (report.verdict, reasons(report)) == ("inconclusive", {"capture-truncated"})
        (why,) = report.inconclusive_because
        assert why.text == f"{tmp_path / name}: {report.sources[1].problem}"
        assert report.sources[1].problem


@WAYS
@pytest.mark.parametrize("name", BY_NO_NAME)
def test_what_is_not_called_a_capture_is_skipped(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(captured()))
    make(tmp_path / name)
    for operand in (tmp_path, tmp_path / "*"):
        report = read(operand)
        assert (names(report), list(skipped(report))) == (["a.pcap"], [name])
        assert report.verdict == "proved"


@pytest.mark.parametrize("name", ["notes.conf", "x.pcap"])
@WAYS
def test_what_was_named_itself_has_to_be_a_capture(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(captured()))
    make(tmp_path / name)
    assert problem_of(tmp_path / "a.pcap", tmp_path / name).startswith(f"{tmp_path / name}: ")


def test_a_capture_of_no_network_says_all_that_is_to_be_known(tmp_path: Path) -> None:
    """It is a capture as its name says, and has no packets that could refute."""
    (tmp_path / "a.pcap").write_bytes(pcap(captured()))
    (tmp_path / "usb.pcap").write_bytes(pcap([packet._replace(link_type=220) for packet in captured()]))
    report = read(tmp_path)
    assert (names(report), list(skipped(report)), report.verdict) == (["a.pcap"], ["usb.pcap"], "proved")


def test_captures_by_name_only(tmp_path: Path) -> None:
    """Nothing at all is known."""
    (tmp_path / "x.pcap").write_bytes(TEXT)
    report = read(tmp_path)
    assert (names(report), report.verdict) == (["x.pcap"], "inconclusive")
    assert "capture-truncated" in reasons(report)


# -- patterns


def test_a_pattern_that_no_shell_has_expanded(folder: Path) -> None:
    assert names(read(folder / "*.pcap")) == ["a.pcap"]
    assert names(read(folder / "**" / "*.[jg]*")) == ["holiday.jpeg", "c.gz"]
    assert names(read(folder / "b*")) == ["holiday.jpeg", "c.gz"]
    assert skipped(read(folder / "*"))["notes.txt"].startswith("not a capture")


def test_a_pattern_that_nothing_fits(folder: Path) -> None:
    assert problem_of(folder / "*.cap") == f"{folder}/*.cap: no file has such a name"


def test_a_name_with_the_letters_of_a_pattern(folder: Path) -> None:
    odd = folder / "odd[1]*.pcap"
    odd.write_bytes(pcap(captured(40007)))
    assert names(read(odd, folder / "a.pcap")) == ["a.pcap", odd.name]


def test_a_pattern_on_the_command_line(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verifier", str(folder / "*.pcap")],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("✓ PROVED")


# -- the same file


def test_a_file_given_twice_is_read_once(folder: Path) -> None:
    path = folder / "a.pcap"
    link = folder / "b" / "link.pcap"
    link.symlink_to(path)
    os.link(path, folder / "hard.pcap")
    for others, why in (
        ([path], {"a.pcap": "given twice"}),
        ([link], {"link.pcap": "the same file as another one"}),
        ([folder / "hard.pcap"], {"hard.pcap": "the same file as another one"}),
        ([folder / "*.pcap"], dict.fromkeys(("a.pcap", "hard.pcap"), "the same file as another one")),
    ):
        report = read(path, *others)
        assert names(report) == ["a.pcap"]
        assert skipped(report) == why
        assert report.verdict == "proved"


class Compared(str):
    """A name that counts how often it is compared."""

    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str(self) == str(other)


def test_thousands_of_names_are_not_compared_with_each_other(tmp_path: Path) -> None:
    given = [Compared(tmp_path / f"{number}.pcap") for number in range(2000)]
    found = list(looked_up([*given, given[7], given[3], given[7]]))
    assert [path for path, _ in found] == [*given, given[7], given[3]]
    assert [why for _, why in found[2000:]] == ["given twice"] * 2
    assert Compared.times < 20 * len(given)


def test_equal_files_are_two(folder: Path) -> None:
    copy = folder / "copy.pcap"
    copy.write_bytes((folder / "a.pcap").read_bytes())
    assert len(read(folder / "a.pcap", copy).sources) == 2


# -- order


def test_names_in_their_natural_order() -> None:
    names = ["x.pcap", "x.pcap1", "x.pcap2", "x.pcap10", "x_00002_2023", "x_00010_2022", "y", "y1z", "y1z2", "y10", ""]
    assert sorted(names, key=natural) == ["", *names[:-1]]
    assert natural("1" * 5000) > natural("9" * 3000)


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """One that leads to itself, beside a capture: that is read, and the report says what was not."""
    (tmp_path / "itself.pcap").symlink_to("itself.pcap")
    (tmp_path / "x.pcap").write_bytes(pcap(captured()))
    report = read(tmp_path)
    assert reasons(report) == {"capture-truncated"}
    assert "itself.pcap: cannot be read: Too many levels" in report.inconclusive_because[0].text
    assert report.totals.connections == 1
    (tmp_path / "itself.pcap").unlink()
    (tmp_path / "itself").symlink_to("itself")
    report = read(tmp_path)
    assert skipped(report)["itself"].startswith("cannot be read: Too many levels")
    assert report.verdict == "proved"
