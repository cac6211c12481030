from typing import Any

class Ethernet:
    data: Any
    def __init__(self, data: bytes) -> None: ...
