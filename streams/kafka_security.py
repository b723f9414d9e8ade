"""How Spendstream's own clients reach a Kafka that wants TLS or a password, from the settings `kafka_*`.

    options = client_options(settings)      # for aiokafka's producers, consumers and admin clients
    credentials = faust_credentials(settings)
    said = await why(bootstrap, options)    # the reason, in words, why a connection does not come about

Empty and None where Kafka speaks plain text. Certificates are always verified, host names too. Passwords come from the
environment or from files, are read once, and appear in no message: aiokafka and Faust show user names only.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from streams.errors import SpendstreamError, Unavailable, UsageError

if TYPE_CHECKING:
    from faust.auth import Credentials

    from streams.config import Settings

PROBE_S: Final = 10.0
CLOSE_S: Final = 1.0
"""How long a connection may take to say goodbye."""


def faults(settings: Settings) -> list[str]:
    """What is wrong with the settings `kafka_*`, one line each. Reads no password."""
    protocol = settings.kafka_security_protocol
    tls, sasl = protocol.endswith("SSL"), protocol.startswith("SASL")
    found = [
        f"{name}: there is no file {path}"
        for name in ("kafka_ca_file", "kafka_cert_file", "kafka_key_file", "kafka_sasl_password_file")
        if (path := getattr(settings, name)) is not None and not path.is_file()
    ]
    has_password = bool(settings.kafka_sasl_password.get_secret_value())
    if sasl and not settings.kafka_sasl_username:
        found.append(f"kafka_sasl_username: {protocol} needs a user name")
    if sasl and has_password == (settings.kafka_sasl_password_file is not None):
        found.append(f"kafka_sasl_password, kafka_sasl_password_file: {protocol} needs one of them, not both")
    if not sasl:
        given = [("kafka_sasl_username", settings.kafka_sasl_username), ("kafka_sasl_password", has_password)]
        given += [("kafka_sasl_password_file", settings.kafka_sasl_password_file)]
        found += [f"{name}: is set, but kafka_security_protocol is {protocol}" for name, value in given if value]
    if not tls:
        files = ("kafka_ca_file", "kafka_cert_file", "kafka_key_file")
        found += [
            f"{name}: is set, but kafka_security_protocol is {protocol}" for name in files if getattr(settings, name)
        ]
    if (settings.kafka_cert_file is None) != (settings.kafka_key_file is None):
        found.append("kafka_cert_file, kafka_key_file: a client certificate needs both")
    return found


def client_options(settings: Settings) -> dict[str, Any]:
    """Arguments for aiokafka's clients. Raises `UsageError` for files that cannot be read or are no certificates."""
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return {}
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(settings)
    if protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": _password(settings),
        }
    return options


def options_for(embedded: Path | None, settings: Settings) -> dict[str, Any]:
    """`client_options`, or none for the embedded broker: it listens on loopback and knows no security."""
    return {} if embedded is not None else client_options(settings)


def faust_credentials(settings: Settings) -> Credentials | None:
    """The same for Faust's `broker_credentials`."""
    from faust.auth import SASLCredentials, SSLCredentials

    options = client_options(settings)
    if not options:
        return None
    context = options.get("ssl_context")
    if "sasl_mechanism" not in options:
        return SSLCredentials(context)
    return SASLCredentials(
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        mechanism=options["sasl_mechanism"],
        ssl_context=context,
    )


async def why(bootstrap: str, options: Mapping[str, Any]) -> SpendstreamError | None:
    """What the operator has to put right so that a broker lets us in; None when that is not the trouble.

    aiokafka only says that it could not connect; this asks one broker after the other, and tells TLS, certificate and
    password apart. `UsageError` where waiting does not help, `Unavailable` where it may.
    """
    closed: list[asyncio.Future[None]] = []
    try:
        for server in bootstrap.split(","):
            reason = await _why(server, options, closed)
            if reason is not None:
                return reason
        return None
    finally:
        if closed:  # an event loop that ends before its connections do leaves their sockets to the garbage collector
            await asyncio.wait(closed, timeout=CLOSE_S)


async def _why(server: str, options: Mapping[str, Any], closed: list[asyncio.Future[None]]) -> SpendstreamError | None:
    """Of one broker. `closed` gets what is done when the connection has gone."""
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(PROBE_S):
            connection = await create_conn(
                host,
                int(port),
                client_id="spendstream",
                request_timeout_ms=int(PROBE_S * 1000),
                on_close=lambda connection, _: closed.append(connection.close()),
                **options,
            )
    except ssl.SSLCertVerificationError as error:
        return UsageError(
            f"the certificate of Kafka at {server} is not trusted ({error.verify_message}): "
            "set SPENDSTREAM_KAFKA_CA_FILE to who signed it, and reach it by a name that is in it"
        )
    except ssl.SSLError as error:
        return UsageError(
            f"Kafka at {server} does not speak TLS with us ({error.reason}): look at "
            "SPENDSTREAM_KAFKA_SECURITY_PROTOCOL and the port"
        )
    except SaslAuthenticationFailed:
        user = options.get("sasl_plain_username")
        return UsageError(
            f"Kafka at {server} refuses user {user!r}: wrong name or password "
            f"(SPENDSTREAM_KAFKA_SASL_USERNAME, ..._PASSWORD), or not known for {options.get('sasl_mechanism')}"
        )
    except UnsupportedSaslMechanismError:
        mechanism = options.get("sasl_mechanism")
        return UsageError(f"Kafka at {server} has no {mechanism}: set SPENDSTREAM_KAFKA_SASL_MECHANISM")
    except ConnectionRefusedError:
        return None  # away: not the operator's settings
    except (KafkaError, OSError, TimeoutError) as error:
        protocol = options.get("security_protocol", "PLAINTEXT")
        return Unavailable(
            f"Kafka at {server} takes the connection and drops it ({type(error).__name__}): if it is not just "
            f"starting, it wants another SPENDSTREAM_KAFKA_SECURITY_PROTOCOL than {protocol}, or a client "
            "certificate"
        )
    connection.close()
    return None


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_text(settings.kafka_ca_file))
        if settings.kafka_cert_file is not None:
            password = settings.kafka_key_password.get_secret_value() or None
            # A function: a missing password must be an error, not a question on the terminal.
            context.load_cert_chain(settings.kafka_cert_file, settings.kafka_key_file, password or (lambda: ""))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"kafka_ca_file, kafka_cert_file, kafka_key_file: no PEM certificates, or a wrong key password: {error}"
        ) from None
    return context


def _password(settings: Settings) -> str:
    file = settings.kafka_sasl_password_file
    if file is None:
        return settings.kafka_sasl_password.get_secret_value()
    try:
        return file.read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"kafka_sasl_password_file: {file}: {type(error).__name__}") from None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
