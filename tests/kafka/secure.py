"""A Kafka that wants TLS and a password, with users and their rights: certificates by openssl, ACLs by the protocol.

The listener `SECURE` speaks SASL_SSL (SCRAM), `MUTUAL` TLS with client certificates; the plain one is the operator's,
whose anonymous user may do everything.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from tests.kafka.cluster import Cluster, Listener

TOPIC, GROUP, CLUSTER = 2, 3, 4
"""Kinds of resources, by Kafka's protocol."""

OPERATIONS: Final = {
    "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "ClusterAction": 9,
    "DescribeConfigs": 10, "AlterConfigs": 11, "IdempotentWrite": 12,
}  # fmt: skip
LITERAL, PREFIXED, ALLOW = 3, 4, 3


@dataclass(frozen=True, slots=True)
class Acl:
    """A right. `kind`: Topic, Group or Cluster; `name` ending in `*`: a prefix."""

    user: str
    operation: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Papers:
    """PEM files: who signs, the broker's key and certificate in one file, a client's certificate and key."""

    ca: Path
    broker: Path
    client: Path
    client_key: Path
    other_ca: Path
    """Another one, that signed nothing here."""


def papers(root: Path, host: str = "127.0.0.1") -> Papers:
    """Make them all; the broker's is for `host`."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("ca", "other"):
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-keyout", root / f"{name}.key", "-out", root / f"{name}.pem", "-subj", f"/CN=test {name}"),
        )
    for name, extension in (("broker", f"subjectAltName=IP:{host},DNS:localhost"), ("client", "subjectAltName=DNS:c")):
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", root / f"{name}.key", "-out", root / f"{name}.csr", "-subj", f"/CN={name}"),
        )
        (root / f"{name}.ext").write_text(extension)
        _openssl(
            *("x509", "-req", "-in", root / f"{name}.csr", "-CA", root / "ca.pem", "-CAkey", root / "ca.key"),
            *("-CAcreateserial", "-days", "2", "-out", root / f"{name}.pem", "-extfile", root / f"{name}.ext"),
        )
    both = root / "broker-and-key.pem"
    both.write_text((root / "broker.key").read_text() + (root / "broker.pem").read_text())
    return Papers(root / "ca.pem", both, root / "client.pem", root / "client.key", root / "other.pem")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def secure_cluster(root: Path, of: Papers, users: dict[str, str]) -> Cluster:
    """One broker; `users`: passwords by name."""
    stores = {
        "ssl.keystore.type": "PEM", "ssl.keystore.location": str(of.broker),
        "ssl.truststore.type": "PEM", "ssl.truststore.location": str(of.ca),
    }  # fmt: skip
    mechanisms = "SCRAM-SHA-512,SCRAM-SHA-256"
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    sasl = {"sasl.enabled.mechanisms": mechanisms}
    sasl |= {f"{name}.sasl.jaas.config": login for name in ("scram-sha-512", "scram-sha-256")}
    mutual = stores | {"ssl.client.auth": "required"}
    listeners = [
        Listener("SECURE", "SASL_SSL", properties=stores | sasl),
        Listener("MUTUAL", "SSL", properties=mutual),
    ]
    scram = [
        option
        for name, password in users.items()
        for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256")
        for option in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
    ]
    return Cluster(
        root,
        listeners=listeners,
        properties={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        },
        format_options=scram,
    )


async def allow(bootstrap: str, acls: Iterable[Acl]) -> None:
    """Give users their rights."""
    kinds = {"Topic": TOPIC, "Group": GROUP, "Cluster": CLUSTER}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        for acl in acls:
            pattern = PREFIXED if acl.name.endswith("*") else LITERAL
            request = CreateAclsRequest(
                kinds[acl.kind],
                acl.name.rstrip("*"),
                pattern,
                f"User:{acl.user}",
                "*",
                OPERATIONS[acl.operation],
                ALLOW,
            )
            answer = await admin._send_to_controller(request)
            for code, message in answer.creation_responses:
                assert code == 0, (acl, message)
    finally:
        await admin.close()
