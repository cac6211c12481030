"""A throw-away certificate authority, and TLS settings for a scene's servers and clients."""

from __future__ import annotations

import ssl
from contextlib import AbstractContextManager

from trustme import CA

from verifier.lab.stage import LOOPBACK


class Certificates:
    """Made for one scene, on loopback, and valid nowhere else."""

    def __init__(self) -> None:
        self._authority = CA()
        self._certificate = self._authority.issue_cert(LOOPBACK, "localhost")

    def server(self) -> ssl.SSLContext:
        """TLS 1.2, so that a capture shows what 1.3 would hide: which protocol was agreed on, and alerts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._certificate.configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context

    def authority_file(self) -> AbstractContextManager[str]:
        """Path of a file with the authority's certificate, each time another one; gone at the end."""
        return self._authority.cert_pem.tempfile()
