"""Kafka's jars: fetched by Maven once, into a cache outside the repository.

Where Maven looks for them is Maven's own affair (its settings); nothing here names a host.
SPENDSTREAM_KAFKA_JARS names a directory of jars to use instead.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

VERSION: Final = "4.3.1"
LOG4J: Final = "2.25.4"
"""The version that Kafka itself depends on; its bridge from slf4j is only in Kafka's release archive."""

FETCH_S: Final = 600.0

POM: Final = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>spendstream</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOG4J}</version></dependency>
  </dependencies>
</project>
"""


class Missing(Exception):
    """Kafka cannot run here; the message says what is missing."""


def java() -> str:
    """The `java` command. Raises `Missing`."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java") or (shutil.which("java", path=f"{home}/bin") if home else None)
    if found is None:
        raise Missing("no Kafka for the tests: there is no `java` (Java 17 or newer) on the path")
    return found


def jars() -> Path:
    """The directory of Kafka's jars, fetched if they are not there yet. Raises `Missing`."""
    given = os.environ.get("SPENDSTREAM_KAFKA_JARS")
    if given:
        if not list(Path(given).glob("kafka_2.13-*.jar")):
            raise Missing(f"no Kafka for the tests: SPENDSTREAM_KAFKA_JARS={given} holds no kafka_2.13-*.jar")
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spendstream" / f"kafka-{VERSION}"
    libs = cache / "libs"
    if (cache / "complete").exists():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("no Kafka for the tests: there is no `mvn` on the path, and no jars from an earlier run")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once: one fetches, the other waits
        if not (cache / "complete").exists():
            _fetch(maven, cache, libs)
            (cache / "complete").touch()
    return libs


def _fetch(maven: str, cache: Path, libs: Path) -> None:
    pom = cache / "pom.xml"
    pom.write_text(POM, "utf-8")
    done = subprocess.run(
        [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={libs}"],
        capture_output=True, text=True, check=False, timeout=FETCH_S,
    )  # fmt: skip
    if done.returncode or not list(libs.glob(f"kafka_2.13-{VERSION}.jar")):
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise Missing(f"no Kafka for the tests: Maven did not get the jars:\n{end}")
