"""Benchmarks: one question a file; each prints a ratio against a peer measured in the same run."""

import experiments  # noqa: F401  one JAX device a core, said before jax is imported
