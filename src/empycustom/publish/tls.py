"""TLS of destinations: certificates are verified, by the system's or by an own CA."""

from __future__ import annotations

import ssl

from empycustom.errors import PublishError
from empycustom.publish.address import Address


def tls_context(address: Address) -> ssl.SSLContext:
    """Return what connects with TLS, as the settings ``ca``, ``cert`` and ``cert-key`` of an address say. Raises PublishError."""
    settings = address.settings
    name = ""
    try:
        name = settings["ca"]
        made = ssl.create_default_context(cafile=name or None)
        if name := settings["cert"]:
            made.load_cert_chain(name, settings["cert-key"] or None, lambda: _no_phrase(address))
    except (OSError, ssl.SSLError) as error:
        raise address.error(f"the certificate {name} cannot be used ({address.reason(error)})") from error
    return made


def _no_phrase(address: Address) -> str:
    raise address.error("the key of the certificate has a pass phrase, which nobody is there to type; name one without")


def distrust(address: Address, error: BaseException) -> PublishError | None:
    """Return what to say where a client's exception is about a certificate that is not trusted, else None."""
    why = address.reason(error)
    # The words of OpenSSL, whatever is around them, and those of libpq about the name of the host.
    if not any(each in why.lower() for each in ("certificate verify failed", "does not match host name")):
        return None
    return address.error(f"the certificate of the server is not trusted ({why}); name its CA with ca=FILE")
