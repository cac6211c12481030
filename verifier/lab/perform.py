"""A scene played under capture, and diagnosed: what `verify demo CAUSE` and `verify demo --all` do.

The client of a scene is not the observed one of `verify http`: the report is that of a saved capture, from packets
alone. What a capture must show of itself (its fences) is demanded all the same: where packets may be missing the scene
has failed, whatever the diagnosis says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from time import monotonic

from verifier.errors import VerifierError
from verifier.judge.decide import Case, Counts, of_files
from verifier.judge.options import Expectations, Selection
from verifier.lab.scene import Scene
from verifier.lab.stage import Stage
from verifier.sources.filter import Keep
from verifier.sources.live import CaptureOptions, LiveCapture
from verifier.values import NamedTuple
from verifier.wire.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.judge.model import Finding, Report

AT_ONCE = 4
"""Scenes under way at the same time: they wait for a clock most of the time, where they wait at all."""
BUFFER_BYTES = 8 << 20
"""The kernel's buffer of one scene. The largest captures have some 100 packets."""
CLOSING_DEADLINE_S = 0.5
"""How long a scene waits for its connections to be closed by both sides. One scene has some that never are."""


class Performance(NamedTuple):
    """How a scene went."""

    scene: Scene
    report: Report
    seconds: float

    @property
    def finding(self) -> Finding | None:
        """What the diagnosis says of the scene: its first finding that is not of what the scene shows besides."""
        return next((each for each in self.report.findings if each.cause not in self.scene.besides), None)

    @property
    def diagnosed(self) -> str | None:
        """The cause of that finding; where there is none, for nothing is at fault, that of most connections."""
        if self.finding is not None:
            return self.finding.cause
        causes = [(count, cause) for pair in self.report.pairs for cause, count in pair.causes.items()]
        return max(causes)[1] if causes else None

    @property
    def named(self) -> bool:
        """Whether the diagnosis names the cause that was staged."""
        return self.diagnosed == self.scene.cause


def perform(scene: Scene, options: CaptureOptions, expectations: Expectations) -> Performance:
    """Plays one scene. VerifierError where it can't be played, or its capture may not be whole."""
    began = monotonic()
    engine = Engine(int.from_bytes(os.urandom(8), "big"), options.packets is Keep.CONTROL)
    with LiveCapture(options, engine.read) as capture, Stage(capture.allow) as stage:
        _play(scene, stage)
        capture.wait_until(lambda: engine.open_connections == 0, CLOSING_DEADLINE_S)
        source, live = capture.drain()
        ports = stage.ports
    if not (live.opened and live.drained):
        problem = f"the capture of {scene.cause} did not see all of its own marker packets"
        raise VerifierError(problem, "`verify doctor` may tell why")
    case = Case(engine.finish(), Counts(engine.packets, engine.tcp_packets), (source,))
    report = of_files(case, Selection(ports=ports), expectations)._replace(live=live)
    return Performance(scene, report, monotonic() - began)


def _play(scene: Scene, stage: Stage) -> None:
    try:
        scene.play(stage)
    except VerifierError:
        raise
    except Exception as error:  # whatever a client or this system does otherwise than the scene has it
        problem = f"the scene {scene.cause} did not go as it is written: {error!r}"
        raise VerifierError(problem, "`verify doctor` tells what is missing here") from error


def perform_all(scenes: Sequence[Scene], interface: str, folder: str | None) -> Iterator[Performance]:
    """Plays many, several at a time, each under a capture of its own, and yields each when it is over.

    `folder` is where their captures go, each by the name of its cause; None for nowhere.
    """

    def play(scene: Scene) -> Performance:
        path = None if folder is None else os.path.join(folder, f"{scene.cause}.pcapng")
        return perform(scene, CaptureOptions(interface, path, buffer_bytes=BUFFER_BYTES), Expectations())

    threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scene")
    try:
        for done in as_completed([threads.submit(play, scene) for scene in scenes]):
            yield done.result()
    finally:
        threads.shutdown(cancel_futures=True)
