"""Runs a command and writes what it took to a file descriptor: `python -I -S timed.py FD COMMAND...`.

A process of its own, and with next to nothing imported: the kernel counts what a process takes between fork and exec
to the memory of its child, so this is the floor of all that is measured (9 MB).
"""

import os
import sys
import time

report, command = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(report, False)
began = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - began
os.write(report, f"{wall} {used.ru_utime + used.ru_stime} {used.ru_maxrss / 1024} {status}".encode())
