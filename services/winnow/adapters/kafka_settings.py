"""How to reach a Kafka cluster, and what its failures mean to Winnow."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kafka import errors

from winnow.domain.errors import BadInput, Retryable

BOOTSTRAP_SECONDS = 15.0
KNOWN = (
    "tls",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "mechanism",
    "instance",
    "partitions",
    "replication",
)


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Everything about the connection; `tls` is implied by any `tls_…` file."""

    bootstrap: str
    """`host:port,host:port`"""
    user: str = ""
    password: str = ""
    mechanism: str = "SCRAM-SHA-512"
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    instance: str = ""
    """Identity of this process in its consumer groups over restarts; the host's name if empty."""
    partitions: int = 6
    """Of topics that Winnow creates; at least the most replicas that one service will have."""
    replication: int = -1
    """-1 takes the broker's default."""

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"KafkaSettings({self.bootstrap}, user={self.user!r})"

    @property
    def group_instance_id(self) -> str:
        """Give the identity with only those characters that Kafka allows."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.instance or socket.gethostname())[:249]

    def client(self) -> dict[str, Any]:
        """Give the options that consumer, producer and admin client share."""
        tls = self.tls or bool(self.tls_ca or self.tls_cert)
        names = {(False, False): "PLAINTEXT", (False, True): "SSL"}
        names |= {(True, False): "SASL_PLAINTEXT", (True, True): "SASL_SSL"}
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
            # The default of 30 s would leave a restarted broker unused for that long.
            "reconnect_backoff_max_ms": 1000,
            "security_protocol": names[bool(self.user), tls],
        }
        if tls:
            files = {"cafile": self.tls_ca, "certfile": self.tls_cert, "keyfile": self.tls_key}
            options |= {f"ssl_{name}": path for name, path in files.items() if path}
        if self.user:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options


def kafka_settings(url: str) -> KafkaSettings:
    """Read `kafka://user:password@host:port,host:port?tls_ca=/path&instance=qa-0&partitions=12`.

    Raises
    ------
    BadInput
        An option is unknown; the text lists those that exist.
    """
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = sorted(set(options) - set(KNOWN))
    if unknown or not hosts:
        msg = (
            f"bus URL: expected kafka://host:port with options among {', '.join(KNOWN)}, "
            f"found {', '.join(unknown) or 'no host'}"
        )
        raise BadInput(msg)
    return KafkaSettings(
        bootstrap=hosts,
        user=unquote(user),
        password=unquote(password),
        mechanism=options.get("mechanism", "SCRAM-SHA-512"),
        tls=options.get("tls", "false") == "true",
        tls_ca=options.get("tls_ca", ""),
        tls_cert=options.get("tls_cert", ""),
        tls_key=options.get("tls_key", ""),
        instance=options.get("instance", ""),
        partitions=int(options.get("partitions", "6")),
        replication=int(options.get("replication", "-1")),
    )


@contextmanager
def kafka_errors(what: str, settings: KafkaSettings) -> Iterator[None]:
    """Turn what the client raises into `Retryable`, with what a person should look at.

    A fenced member is let through: it never recovers, so its process must end.
    """
    try:
        yield
    except errors.FencedInstanceIdError:
        raise
    except errors.KafkaTimeoutError as error:
        hint = _BOOTSTRAP_HINT if "ootstrap" in str(error) else ""
        msg = f"{what} at {settings.bootstrap}: expected an answer, found: {error}{hint}"
        raise Retryable(msg) from error
    except errors.KafkaError as error:
        msg = f"{what} at {settings.bootstrap}: found {type(error).__name__}: {error}"
        raise Retryable(msg) from error


_BOOTSTRAP_HINT = (
    f" (within {BOOTSTRAP_SECONDS:.0f} s). An unreachable broker, a wrong password, an unknown CA "
    "and plain text sent to a TLS port all look the same here: check host and port, user and "
    "password, tls_ca, and whether this listener wants TLS"
)
