"""A real Apache Kafka for tests: jars by Maven, one broker or three, each a process that can be killed or paused.

`jars` fetches once into a cache outside the repository, `node` is one process, `cluster` is what tests hold, `fixtures`
are pytest's. Without Java or Maven the tests that need Kafka are skipped and say so; with SPENDSTREAM_REQUIRE_KAFKA=1
they fail.
"""
