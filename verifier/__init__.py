"""Proves from packets whether an HTTP client re-uses its TCP connections, and says why where it does not."""

__version__ = "0.1.0"
