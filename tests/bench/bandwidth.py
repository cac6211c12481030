"""How fast this machine moves bytes: the measure for what a reader could at most be.

python -I -S bandwidth.py read FILE BYTES    reads the file, so many bytes at a time, and does nothing with them
python -I -S bandwidth.py copy BYTES         prints bytes a second that are copied from memory to memory
"""

import sys
import time

REGION = 256 << 20
"""Far beyond any cache."""
ROUNDS = 5


def read(path: str, chunk: int) -> None:
    room = bytearray(chunk)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(room):
            pass


def copy(chunk: int) -> float:
    """Pieces of `chunk` bytes from all over a region to one place, as a reader's buffer is filled."""
    region, room = memoryview(bytearray(REGION)), bytearray(chunk)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for at in range(0, REGION, chunk):
            room[:] = region[at : at + chunk]
        best = max(best, REGION / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    if sys.argv[1] == "read":
        read(sys.argv[2], int(sys.argv[3]))
    else:
        print(copy(int(sys.argv[2])))
