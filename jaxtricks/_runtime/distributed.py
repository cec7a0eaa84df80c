"""Several processes as one run."""

import os
from collections.abc import Mapping

import jax


def initialize_distributed(
    *, coordinator: str | None = None, processes: int | None = None, index: int | None = None
) -> None:
    """Join the processes of one run; call it before anything else of JAX.

    Without arguments it does nothing on a single machine, and lets JAX detect a cluster (SLURM, TPU pods, indexed
    Kubernetes jobs, Open MPI, ``JAX_COORDINATOR_ADDRESS``) where the environment shows one.

    Args:
      coordinator: ``host:port`` of process 0, when nothing can be detected.
      processes: their number.
      index: of this one, from 0.

    Raises:
      ValueError: if only some of the three are given, or index is not below processes.
    """
    if coordinator is not None or processes is not None or index is not None:
        if coordinator is None or processes is None or index is None:
            raise ValueError("coordinator, processes and index go together; allowed: all three or none.")
        if not 0 <= index < processes:
            raise ValueError(f"index is {index}; allowed: 0 to {processes - 1}.")
        jax.distributed.initialize(coordinator, processes, index)
    elif _clustered(os.environ):
        jax.distributed.initialize()


def _clustered(env: Mapping[str, str]) -> bool:
    """Whether the environment is that of one process of several, as JAX itself would find it."""
    several = any(env.get(name, "1") != "1" for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"))
    pod = "," in env.get("TPU_WORKER_HOSTNAMES", "") or {"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"} <= set(env)
    return several or pod or "JAX_COORDINATOR_ADDRESS" in env
