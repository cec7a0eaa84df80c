"""Where a step runs: one mesh of devices, the batch spread over it, and several seeds at once where that pays."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtricks._runtime.chunks import scanned
from jaxtricks._runtime.compiled import Halves, anew, called_anew, compile_traced, without_data

AXIS = "data"
KINDS = ("jit", "shard_map", "pmap")
AHEAD = 8  # steps in flight
SEEDS_ON = ("map", "vmap", "devices")


@dataclass(frozen=True)
class Plan:
    """How steps are spread over devices.

    Fields:
      kind: ``"jit"``, the compiler partitions the global step; ``"shard_map"`` or ``"pmap"``, one program a device with
        explicit reductions.
      seeds_on: ``"map"``, one seed after another, each over all devices; ``"vmap"``, all seeds in one vectorised step;
        ``"devices"``, one seed a device.
      devices: the devices to use; all of them if None.
      chunk: steps in one call of the device, under ``lax.scan``, where the training set is resident: for small steps on
        an accelerator, of which the host's share is large. Signals and progress are looked at once a call.
    """

    kind: str = "jit"
    seeds_on: str = "map"
    devices: tuple[Any, ...] | None = None
    chunk: int = 1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"parallel is {self.kind!r}; allowed: {', '.join(map(repr, KINDS))}.")
        if self.seeds_on not in SEEDS_ON:
            raise ValueError(f"seeds_on is {self.seeds_on!r}; allowed: {', '.join(map(repr, SEEDS_ON))}.")
        if self.devices is not None and not (isinstance(self.devices, tuple) and self.devices):
            raise ValueError(f"devices is {self.devices!r}; allowed: a tuple of one device or more, or None.")
        if self.seeds_on != "map" and self.kind != "jit":
            raise ValueError(f"parallel is {self.kind!r} with seeds_on {self.seeds_on!r}; allowed: parallel 'jit'.")
        if isinstance(self.chunk, bool) or not isinstance(self.chunk, int) or self.chunk < 1:
            raise ValueError(f"chunk is {self.chunk!r}; allowed: an integer of 1 or more.")
        if self.chunk > 1 and self.kind == "pmap":
            raise ValueError(f"chunk is {self.chunk} with parallel 'pmap'; allowed: 1.")
        if (several := jax.process_count()) > 1 and self.kind == "pmap":
            raise ValueError(f"parallel is 'pmap' with {several} processes; allowed: 'jit' or 'shard_map'.")
        if several > 1 and self.seeds_on == "devices":
            raise ValueError(f"seeds_on is 'devices' with {several} processes; allowed: 'map' or 'vmap'.")

    @cached_property
    def mesh(self) -> Mesh:
        """The mesh, one axis long."""
        devices = self.devices if self.devices is not None else tuple(jax.devices())
        return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)

    @property
    def size(self) -> int:
        """Number of devices."""
        return self.mesh.size

    @property
    def axis_name(self) -> str | None:
        """Mesh axis that an update reduces over, or None where the compiler does it."""
        return AXIS if self.kind in ("shard_map", "pmap") else None

    @property
    def stacked(self) -> bool:
        """Whether state and batch carry a leading axis of seeds."""
        return self.seeds_on != "map"

    @property
    def collective(self) -> bool:
        """Whether the devices wait for each other within a step."""
        return self.size > 1 and self.seeds_on != "devices"

    @property
    def _waits_on_cpu(self) -> bool:
        """Whether they do, and are cores."""
        return self.collective and jax.default_backend() == "cpu"

    @property
    def steps_in_flight(self) -> int:
        """Calls, each of a step or a chunk, that may be started before the loop waits for the oldest.

        Devices that are cores share one pool of threads, and a collective holds a thread while it waits for the others:
        with steps in flight all threads can be waiting for a device that has none left, and XLA aborts.
        """
        return 0 if self._waits_on_cpu else max(1, AHEAD // self.chunk)

    def groups(self, seeds: tuple[int, ...]) -> list[tuple["Plan", tuple[int, ...]]]:
        """The seeds that run together, each group with the plan that fits its size."""
        if self.seeds_on == "map":
            return [(self, (seed,)) for seed in seeds]
        if self.seeds_on == "vmap":
            return [(self, tuple(seeds))]
        devices = tuple(self.mesh.devices.flat)
        chunks = [tuple(seeds[i : i + len(devices)]) for i in range(0, len(seeds), len(devices))]
        return [(replace(self, devices=devices[: len(chunk)]), chunk) for chunk in chunks]

    def check_batch(self, batch: int, *, bn: str = "all") -> None:
        """Raise ValueError unless the batch divides over the devices and the plan can do ``bn``."""
        if self.seeds_on != "devices" and batch % self.size:
            raise ValueError(f"batch is {batch}; allowed: a multiple of the {self.size} devices.")
        if batch % jax.process_count():
            raise ValueError(f"batch is {batch}; allowed: a multiple of the {jax.process_count()} processes.")
        if bn == "replica" and self.kind == "jit":
            raise ValueError("bn is 'replica' with parallel 'jit'; allowed: parallel 'shard_map' or 'pmap'.")

    @property
    def row_sharding(self) -> NamedSharding:
        """Sharding of a batch."""
        spec = {"map": (AXIS,), "vmap": (None, AXIS), "devices": (AXIS,)}[self.seeds_on]
        return NamedSharding(self.mesh, PartitionSpec(*spec))

    @property
    def replicated(self) -> NamedSharding:
        """Sharding of what every device holds: constants, and the state unless each device has a seed of its own."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def state_sharding(self) -> NamedSharding:
        """Sharding of the state."""
        return NamedSharding(self.mesh, PartitionSpec(AXIS) if self.seeds_on == "devices" else PartitionSpec())

    def jit_create(self, create: Callable) -> Callable:
        """``key -> state`` as a function of a stack of keys, which gives a state that may be donated."""
        function = jax.vmap(create) if self.stacked else create
        # it runs once a seed: on CPU, LLVM's optimisations would take four times as long as they save
        options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
        wrapped = jax.jit(
            lambda data: function(jax.random.wrap_key_data(data)),
            out_shardings=self.state_sharding,
            compiler_options=options,
        )
        return lambda keys: wrapped(np.asarray(jax.random.key_data(keys if self.stacked else keys[0])))

    def put_rows(self, batch: dict[str, np.ndarray], *, steps: int = 1) -> dict[str, jax.Array]:
        """Host rows of this process, with a first axis of steps if there are several, spread over the devices."""
        where = self.row_sharding
        where = where if steps == 1 else NamedSharding(self.mesh, PartitionSpec(None, *where.spec))
        return {name: jax.make_array_from_process_local_data(where, array) for name, array in batch.items()}

    def put_replicated(self, tree: Any) -> Any:
        """Host arrays as global arrays that every device holds."""
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(self.replicated, np.asarray(x)), tree)

    def compile_step(self, prepare: Callable, update: Callable, state, batch, constants, *, steps: int = 1) -> Callable:
        """One step, compiled for these shapes: ``(state, batch, constants) -> (state, record)``; the state is donated.

        Args:
          prepare: from make_step; runs on the global batch.
          update: from make_step, made with this plan's ``axis_name``.
          state, batch, constants: arrays of the right shapes and shardings.
          steps: taken in one call; of several the batch has a first axis of steps, and so has the record.

        Returns:
          The compiled step.
        """
        if self.kind == "pmap":
            step = self._pmap(prepare, update, constants)
            with anew(self._waits_on_cpu):
                jax.block_until_ready(step(self.replicate(state), batch, constants))  # pmap compiles at its first call
            return step
        if self.kind == "shard_map":
            rows, every = PartitionSpec(AXIS), PartitionSpec()
            update = jax.shard_map(update, mesh=self.mesh, in_specs=(every, rows, every), out_specs=(every, every))

        if self.seeds_on == "devices" and steps == 1 and jax.default_backend() == "cpu":
            return self._halves(prepare, update, state, batch, constants)

        def step(state, batch, constants):
            return update(state, prepare(state.key, state.step, batch, constants), without_data(constants))

        if self.seeds_on == "vmap":
            step = jax.vmap(step, in_axes=(0, 0, None))
        if self.seeds_on == "devices":
            step = self._one_seed_a_device(step)
        step = step if steps == 1 else scanned(step)
        jitted = jax.jit(step, donate_argnums=0, out_shardings=(self.state_sharding, None))
        return compile_traced(jitted.trace(state, batch, constants), waits=self._waits_on_cpu)

    def compile_evaluate(self, evaluate: Callable) -> Callable:
        """``(variables, batch, constants) -> parts``; the variables may be stacked by seed, the batch never is."""
        if self.seeds_on == "vmap":
            evaluate = jax.vmap(evaluate, in_axes=(0, None, None))
        if self.seeds_on == "devices":

            def per_device(variables, batch, constants, one=evaluate):
                parts = one(jax.tree.map(lambda x: x[0], variables), batch, constants)
                return jax.tree.map(lambda x: x[None], parts)

            specs = (PartitionSpec(AXIS), PartitionSpec(), PartitionSpec())
            return jax.jit(jax.shard_map(per_device, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec(AXIS)))
        jitted = jax.jit(evaluate, out_shardings=self.replicated)  # rows that metrics gather come from all processes
        return called_anew(jitted, waits=self._waits_on_cpu)

    def compile_statistics(self, statistics: Callable) -> Callable:
        """``(key, params, stats, batch, constants) -> stats``, for each seed where they are stacked."""
        if self.seeds_on == "devices":
            step = lambda state, batch, constants: (statistics(*state, batch, constants), ())  # noqa: E731
            alone = self._one_seed_a_device(step)
            function = jax.jit(lambda *of, constants: alone(of[:3], of[3], constants)[0])
        else:
            stacked = jax.vmap(statistics, (0, 0, 0, 0, None)) if self.stacked else statistics
            function = jax.jit(lambda *of, constants: stacked(*of, constants))

        def call(key, params, stats, batch, constants):
            after = function(key, params, stats, batch, constants=constants)
            return after if self.steps_in_flight else jax.block_until_ready(after)

        return call

    def _halves(self, prepare: Callable, update: Callable, state, batch, constants) -> Halves:
        """Two programs: rows that change only what is done to a batch have one update, from the compilation cache.

        On a CPU they save more in compiling than a second call costs; an accelerator is kept busy by one program.
        """
        prepare_of = lambda of, batch, constants: prepare(*of, batch, constants)  # noqa: E731
        first = jax.jit(self._one_seed_a_device(prepare_of))
        first = first.lower((state.key, state.step), batch, constants)
        shape = partial(jax.ShapeDtypeStruct, sharding=self.state_sharding)
        prepared = jax.tree.map(lambda x: shape(x.shape, x.dtype), first.out_info)
        second = jax.jit(self._one_seed_a_device(update), donate_argnums=0, out_shardings=(self.state_sharding, None))
        return Halves(first.compile(), second.lower(state, prepared, without_data(constants)).compile())

    def _one_seed_a_device(self, step: Callable) -> Callable:
        spec = PartitionSpec(AXIS)

        def per_device(state, batch, constants):
            state, batch = jax.tree.map(lambda x: x[0], (state, batch))
            return jax.tree.map(lambda x: x[None], step(state, batch, constants))

        # devices exchange nothing; types without a mesh axis are those of the dry run, so that one trace serves both
        specs = {"in_specs": (spec, spec, PartitionSpec()), "out_specs": spec, "check_vma": False}
        return jax.shard_map(per_device, mesh=self.mesh, **specs)

    def _pmap(self, prepare: Callable, update: Callable, constants) -> Callable:
        """The same step under pmap, on a state with a leading axis of devices."""
        spread = jax.pmap(update, axis_name=AXIS, devices=list(self.mesh.devices.flat), donate_argnums=0)
        needed = self.replicate(without_data(constants))
        split = NamedSharding(self.mesh, PartitionSpec(AXIS))

        @partial(jax.jit, out_shardings=split)
        def first(keys, steps, batch, constants):
            batch = prepare(keys[0], steps[0], batch, constants)
            return jax.tree.map(lambda x: x.reshape(self.size, x.shape[0] // self.size, *x.shape[1:]), batch)

        def step(state, batch, constants):
            return spread(state, first(state.key, state.step, batch, constants), needed)

        return step

    def largest(self, number: int) -> jax.Array | int:
        """The largest of the numbers that the processes give, here at once or, of several, an array to be read."""
        if jax.process_count() == 1:
            return number
        local = np.full(len(self.mesh.local_devices), number, np.int32)
        spread = jax.make_array_from_process_local_data(NamedSharding(self.mesh, PartitionSpec(AXIS)), local)
        return jax.jit(jnp.max, out_shardings=self.replicated)(spread)

    def replicate(self, state: Any) -> Any:
        """The state as the compiled step takes it: a copy for each device under pmap, unchanged otherwise."""
        if self.kind != "pmap":
            return state
        copies = jax.jit(
            lambda tree: jax.tree.map(lambda x: jnp.broadcast_to(x, (self.size, *x.shape)), tree),
            out_shardings=NamedSharding(self.mesh, PartitionSpec(AXIS)),
        )
        return copies(state)

    def unreplicate(self, state: Any) -> Any:
        """The state as everything else takes it: the first device's copy under pmap, unchanged otherwise."""
        if self.kind != "pmap":
            return state
        return jax.jit(lambda tree: jax.tree.map(lambda x: x[0], tree), out_shardings=self.replicated)(state)
