"""A Kafka cluster of one or three nodes on loopback, with free ports.

    with Cluster(root, nodes=3) as kafka:
        kafka.bootstrap          # host:port of all nodes
        kafka.nodes[0].kill()

Every node is broker and controller. Topics of a cluster of three are to be made with three replicas; two must have a
record before it is acknowledged.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.kafka.node import Node

HOST: Final = "127.0.0.1"
CLUSTER_ID: Final = "c3BlbmRzdHJlYW0tdGVzdA"


@dataclass(frozen=True, slots=True)
class Listener:
    """A further address of every node. `advertised`: what each node says of itself (ports of proxies, say)."""

    name: str
    protocol: str = "PLAINTEXT"
    advertised: Sequence[int] = ()
    properties: Mapping[str, str] | None = None
    """Of server.properties, with the prefix `listener.name.NAME.` left out."""


class Cluster:
    """See the module. Blocking."""

    def __init__(
        self,
        root: Path,
        nodes: int = 1,
        *,
        listeners: Sequence[Listener] = (),
        properties: Mapping[str, str] | None = None,
        format_options: Sequence[str] = (),
    ) -> None:
        """Formats the directories; `start` (or `with`) starts. `properties`: further ones of server.properties."""
        ports = free_ports(nodes * (2 + len(listeners)))
        controllers, clients = ports[:nodes], ports[nodes : 2 * nodes]
        self._ports = {"CLIENT": clients}
        for at, listener in enumerate(listeners):
            self._ports[listener.name] = ports[(2 + at) * nodes : (3 + at) * nodes]
        voters = ",".join(f"{number}@{HOST}:{port}" for number, port in enumerate(controllers, 1))
        replicas, in_sync = str(min(3, nodes)), str(min(2, nodes))
        protocols = {"CLIENT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        protocols |= {listener.name: listener.protocol for listener in listeners}
        common = {
            "process.roles": "broker,controller",
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listener.security.protocol.map": ",".join(f"{name}:{of}" for name, of in protocols.items()),
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "min.insync.replicas": in_sync,
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "2000",
            "auto.create.topics.enable": "false",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": str(2 << 20),
            "broker.session.timeout.ms": "6000",
            "log.retention.check.interval.ms": "1000",
            "log.segment.delete.delay.ms": "100",
            "file.delete.delay.ms": "100",
        }
        for listener in listeners:
            prefix = f"listener.name.{listener.name.lower()}."
            common |= {prefix + name: value for name, value in (listener.properties or {}).items()}
        self.nodes: list[Node] = []
        for at in range(nodes):
            bound = {name: of[at] for name, of in self._ports.items()}
            said = bound | {each.name: each.advertised[at] for each in listeners if each.advertised}
            listen = [f"{name}://{HOST}:{port}" for name, port in bound.items()]
            of_node = {
                "listeners": ",".join([*listen, f"CONTROLLER://{HOST}:{controllers[at]}"]),
                "advertised.listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in said.items()),
            }
            self.nodes.append(Node(root, at + 1, {**common, **of_node, **(properties or {})}))
        for process, node in [(node.format(CLUSTER_ID, *format_options), node) for node in self.nodes]:
            said_so, _ = process.communicate(timeout=120)
            assert process.returncode == 0, f"node {node.number}: {said_so.decode()}"

    @property
    def bootstrap(self) -> str:
        """`host:port` of all nodes, for clients without security."""
        return self.address("CLIENT")

    def address(self, listener: str) -> str:
        """`host:port` of all nodes on a listener, as bound (not as advertised)."""
        return ",".join(f"{HOST}:{port}" for port in self._ports[listener])

    def ports(self, listener: str) -> list[int]:
        """The ports that a listener is bound to, by node."""
        return list(self._ports[listener])

    def start(self) -> None:
        """Start all nodes and wait until they serve."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()

    def stop(self) -> None:
        """End all nodes; what they hold goes with their directories."""
        for node in self.nodes:
            with contextlib.suppress(AssertionError, ProcessLookupError):
                node.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_ports(count: int) -> list[int]:
    """Ports that are free on loopback at this moment, all different.

    Below what systems give to outgoing connections: a killed broker's port must still be free when it comes back.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            if port not in found:
                found.append(port)
    return found
