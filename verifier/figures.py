"""Numbers as people read them: counts, durations, sizes, ratios, addresses with ports. Pure text, the same in every
locale."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """`1 handshake`, `2 handshakes`, `613,293 requests`."""
    return f"{number:,} {plural(number, noun)}"


def endpoint(end: tuple[str, int]) -> str:
    """Address and port: `127.0.0.1:80`, `[::1]:80` (RFC 3986, section 3.2.2)."""
    ip, port = end
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def plural(number: int, noun: str) -> str:
    """The noun as it stands behind that number: `handshake`, `handshakes`."""
    return noun if number == 1 else f"{noun}s"


def duration(nanoseconds: int) -> str:
    """Two or three digits that matter, in the unit that makes them short: `0.21 ms`, `5.0 s`, `3 min 20 s`, `2 h`,
    `4,898 days`."""
    milliseconds = nanoseconds / 1e6
    if milliseconds < 0.001:
        return f"{nanoseconds} ns" if nanoseconds else "0 ms"
    if milliseconds < 0.01:
        return f"{milliseconds:.3f} ms"
    if milliseconds < 0.995:
        return f"{milliseconds:.2f} ms"
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1e3
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    hours = round(seconds / 3600)
    return f"{hours // 24:,} days" + (f" {hours % 24} h" if hours % 24 and hours < 240 else "")


def size(octets: int) -> str:
    """Decimal units, as capinfos prints sizes of files: `1.2 kB`, `1.16 GB`."""
    if octets < 1000:
        return f"{octets} B"
    value = float(octets)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value / 1000:,.3g} TB"


def ratio(share: float) -> str:
    """`100 %`, `99.9 %`, `33.3 %`; never rounded up to 100 or down to 0."""
    percent = share * 100
    if 99.9 < percent < 100:
        return "99.9 %"
    if 0 < percent < 0.1:
        return "0.1 %"
    return f"{percent:.3g} %"
