"""Runs in processes of their own, to be killed, interrupted and stalled."""

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).parent
# Of their own, and filled by runs that nobody kills: JAX's cache keeps an entry that was cut off.
CACHE = Path(tempfile.gettempdir()) / f"jaxtricks-faults-cache-{os.getuid()}"
TIMEOUT = 600


class Child:
    """A process that runs child.py with these options, or another script; it is killed if it lasts too long.

    Args:
      script: in this folder, or a path.
      arguments: of the script, before the options.
      env: beside what every child gets.
      before: a command that starts what comes after it, where there is one.
      options: each with two hyphens before its name.

    Attributes:
      said: the words and numbers read so far.
      complaint: what it wrote to standard error, once it has ended.
    """

    def __init__(
        self,
        script: str | Path = "child.py",
        arguments: tuple = (),
        env: dict | None = None,
        before: tuple = (),
        **options,
    ):
        command = [*before, sys.executable, HERE / script, *map(str, arguments)]
        for name, value in options.items():
            if value is not None:
                command += [f"--{name.replace('_', '-')}", str(value)]
        ours = {
            "PYTHONPATH": f"{HERE.parents[0] / 'train'}{os.pathsep}{HERE.parents[1]}",
            "JAX_COMPILATION_CACHE_DIR": str(CACHE),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "NPROC": "2",
        }
        inherited = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        self._errors = tempfile.TemporaryFile("w+")  # a file does not fill up as a pipe would
        self.process = subprocess.Popen(
            command, env=inherited | ours | (env or {}), stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.said: list[tuple[str, int]] = []
        self._timer = threading.Timer(TIMEOUT, self.process.kill)
        self._timer.daemon = True
        self._timer.start()
        atexit.register(self.process.kill)

    def until(self, word: str) -> int:
        """The number that comes with the word; -1 if the process ends before it says it."""
        for line in self.process.stdout:
            said, _, number = line.partition(" ")
            if number.strip().isdecimal():  # not what gloo says
                self.said.append((said, int(number)))
                if said == word:
                    return int(number)
        return -1

    def send(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self) -> int:
        """Wait until it has ended; the exit status, negative if a signal ended it."""
        self.until("")
        status = self.process.wait()
        self._timer.cancel()
        self.process.stdout.close()
        if not self._errors.closed:
            self._errors.seek(0)
            self.complaint = self._errors.read()
            self._errors.close()
        return status

    def last(self, word: str) -> int:
        """The last number that came with the word, or -1."""
        return next((number for said, number in reversed(self.said) if said == word), -1)

    def kill(self) -> int:
        self.process.kill()
        return self.end()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def pair(second: dict | None = None, **options) -> list[Child]:
    """Two processes of one run, the second with other options besides."""
    options |= {"port": free_port(), "processes": 2}
    return [Child(**options, index=0), Child(**options | (second or {}), index=1)]


@functools.cache
def unbroken() -> dict:
    """What the run gives that nothing stops: the digest of every leaf, the losses and the test."""
    with tempfile.TemporaryDirectory() as folder:
        child = Child(out=f"{folder}/out")
        assert child.end() == 0, child.complaint
        return json.loads(Path(folder, "out").read_text(encoding="utf-8"))
