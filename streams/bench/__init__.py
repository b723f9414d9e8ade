"""The benchmark: the worker beside what else reads the same records (docs/benchmark.md)."""
