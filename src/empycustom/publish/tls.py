"""TLS of destinations: certificates are verified, by the system's or by an own CA."""

from __future__ import annotations

import ssl

from empycustom.publish.address import Address
from empycustom.publish.destinations import reason_of


def tls_context(address: Address) -> ssl.SSLContext:
    """Return what connects with TLS, as the settings ``ca``, ``cert`` and ``cert-key`` of an address say. Raises PublishError."""
    settings = address.settings
    name = ""
    try:
        name = settings["ca"]
        made = ssl.create_default_context(cafile=name or None)
        if name := settings["cert"]:
            made.load_cert_chain(name, settings["cert-key"] or None)
    except (OSError, ssl.SSLError) as error:
        raise address.error(f"the certificate {name} cannot be used ({reason_of(error)})") from error
    return made
