"""Several processes as one run."""

import os
from collections.abc import Mapping

import jax

COORDINATOR, PROCESSES = "JAX_COORDINATOR_ADDRESS", "JAXTRICKS_PROCESSES"
INDEX = ("JAXTRICKS_INDEX", "JOB_COMPLETION_INDEX")  # the latter of an indexed Kubernetes job
DETECT = "auto"


def initialize_distributed(
    *, coordinator: str | None = None, processes: int | None = None, index: int | None = None
) -> None:
    """Join the processes of one run; call it before anything else of JAX.

    Without arguments it takes them from the environment, ``JAX_COORDINATOR_ADDRESS``, ``JAXTRICKS_PROCESSES`` and
    ``JAXTRICKS_INDEX`` or, in an indexed Kubernetes job, ``JOB_COMPLETION_INDEX``. Else it lets JAX detect a cluster
    (SLURM, Open MPI, TPU pods, Kubernetes by ``jax[k8s]``) where the environment shows one or
    ``JAXTRICKS_PROCESSES=auto`` says so, and does nothing on a single machine.

    Args:
      coordinator: ``host:port`` of process 0, when nothing can be detected.
      processes: their number.
      index: of this one, from 0.

    Raises:
      ValueError: if only some of the three are given, index is not below processes, or no cluster is found where
        there should be one.
    """
    if coordinator is processes is index is None:
        coordinator, processes, index = _named(os.environ)
    if coordinator is not None or processes is not None or index is not None:
        if coordinator is None or processes is None or index is None:
            raise ValueError("coordinator, processes and index go together; allowed: all three or none.")
        if processes < 1:
            raise ValueError(f"processes is {processes}; allowed: 1 or more.")
        if not 0 <= index < processes:
            raise ValueError(f"index is {index}; allowed: 0 to {processes - 1}.")
        jax.distributed.initialize(coordinator, processes, index)
    elif _clustered(os.environ):
        try:
            jax.distributed.initialize()
        except ValueError as error:  # what JAX lacks has the names of its arguments, which nobody typed
            names = f"{COORDINATOR}, {PROCESSES} and {INDEX[0]}"
            raise ValueError(f"JAX does not find the other processes ({error}); allowed: {names} all set.") from error


def is_one_of_several() -> bool:
    """Whether the environment says, before anything of JAX is called, that this is one process of several."""
    try:
        return _named(os.environ)[1] is not None or _clustered(os.environ)
    except ValueError:  # initialize_distributed says it
        return False


def _named(env: Mapping[str, str]) -> tuple[str, int, int] | tuple[None, None, None]:
    """Coordinator, number and index as the environment names them; None where it does not say how many there are."""
    if env.get(PROCESSES, DETECT) == DETECT:
        if INDEX[0] in env:
            raise ValueError(f"{INDEX[0]} is {env[INDEX[0]]} without {PROCESSES}; allowed: both, or neither.")
        return None, None, None
    index = next((env[name] for name in INDEX if name in env), None)
    if COORDINATOR not in env or index is None:
        lacking = COORDINATOR if COORDINATOR not in env else " or ".join(INDEX)
        allowed = f"{COORDINATOR}, {PROCESSES} and an index, or none of them"
        raise ValueError(f"{PROCESSES} is {env[PROCESSES]} without {lacking}; allowed: {allowed}.")
    if not (env[PROCESSES].isdecimal() and index.isdecimal()):
        raise ValueError(f"{PROCESSES} is {env[PROCESSES]!r}, with index {index!r}; allowed: integers, or {DETECT!r}.")
    return env[COORDINATOR], int(env[PROCESSES]), int(index)


def _clustered(env: Mapping[str, str]) -> bool:
    """Whether the environment is that of one process of several, as JAX would find it or is asked to look for it."""
    several = any(env.get(name, "1") != "1" for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"))
    pod = "," in env.get("TPU_WORKER_HOSTNAMES", "") or {"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"} <= set(env)
    if several or pod or env.get(PROCESSES) == DETECT:
        return True
    if COORDINATOR in env:  # JAX reads neither number nor index from the environment
        raise ValueError(f"{COORDINATOR} is {env[COORDINATOR]} without {PROCESSES}; allowed: both, or none of them.")
    return False
