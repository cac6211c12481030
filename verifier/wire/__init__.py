"""From bytes to exchanges: pure, incremental, compiled where a C compiler was there when the package was installed.

The modules are ordinary Python; the `.pxd` beside each gives Cython the C types of its classes and functions. They do
no I/O, read no clock, and take bytes and times as arguments. In the order of the data:

    records (pcap, pcapng) -> packet (link, fragments) -> half -> connection (http1, tls) -> engine -> tables
"""
