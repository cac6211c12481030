from asyncio import AbstractEventLoop
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

class FileCapture:
    def __init__(
        self,
        input_file: str,
        keep_packets: bool = True,
        *,
        override_prefs: Mapping[str, str] | None = None,
        decode_as: Mapping[str, str] | None = None,
        eventloop: AbstractEventLoop | None = None,
        custom_parameters: Sequence[str] | None = None,
    ) -> None: ...
    def get_parameters(self) -> list[str]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...
