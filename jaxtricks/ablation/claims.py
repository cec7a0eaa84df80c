"""Claims: several processes share the cells of one folder, and none trains what another one is training.

A claim is a file beside the cell, ``NAME-seed0.claim-0``, that a process makes if nobody has made it, and touches as
long as it lives. A stale one is not removed: the next generation, ``.claim-1``, is made in the same way, so that of
several processes that see it stale one gets the cell. Only the newest generation counts, so that a process whose
machine was asleep meanwhile knows that its cell is another's.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HEARTBEAT = 5.0  # seconds between two touches of a claim
STALE = 60.0  # seconds without one, by the clock of the folder, after which its process counts as gone
AGAIN = 1.0  # seconds after which a process that waits for others looks again


class Claims:
    """The claims of this process in one folder.

    Args:
      folder: of the cells; where several machines work on it they all see its files, and its files' times.
      heartbeat, stale: seconds, greater than 0; ``stale`` several times ``heartbeat``.
    """

    def __init__(self, folder: Path, *, heartbeat: float = HEARTBEAT, stale: float = STALE):
        self.folder, self.heartbeat, self.stale = folder, heartbeat, stale
        self._held: dict[str, Path] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, name: str) -> bool:
        """Claim a cell; False if a living process has it, this one included."""
        generation, newest = self._newest(name)
        if newest is not None and self._alive(newest):
            return False
        path = self.folder / f"{name}.claim-{generation + 1}"
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(_this_process(), file)
        except FileExistsError:  # another one was faster
            return False
        if any(_generation(older) < generation + 1 and self._alive(older) for older in self._of(name)):
            path.unlink(missing_ok=True)  # made for a claim that was given back meanwhile, and taken again
            return False
        with self._lock:
            self._held[name] = path
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(target=self._beat, name="jaxtricks-claims", daemon=True)
            self._thread.start()
        return True

    def release(self, name: str) -> None:
        """Give a cell back, with the stale claims before this process's, once it is written or has failed."""
        with self._lock:
            path = self._held.pop(name, None)
        if path is not None:
            for older in sorted(self._of(name), key=_generation):
                if _generation(older) <= _generation(path):
                    older.unlink(missing_ok=True)

    def taken_over(self, name: str, done: Callable[[], bool]) -> bool:
        """Whether a cell of this process is another one's, for it was left untouched for too long; or is done by it.

        As of a machine that was asleep. What the other one was about to leave and did not, this process may write.
        """
        with self._lock:
            path = self._held.get(name)
        if path is None:
            return False
        generation, newest = self._newest(name)
        if newest is not None and generation == _generation(path):
            return False
        return (newest is not None and generation > _generation(path) and self._alive(newest)) or done()

    def wait(self, name: str, done: Callable[[], bool]) -> bool:
        """Wait until the cell is this process's, which is True, or is done, which is False."""
        while not (finished := done()) and not self.take(name):
            time.sleep(AGAIN)
        if not finished and done():  # between the look and the claim
            self.release(name)
            finished = True
        return not finished

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """What no two processes do at the same time."""
        self.wait(name, lambda: False)
        try:
            yield
        finally:
            self.release(name)

    def elsewhere(self) -> set[str]:
        """The cells that other living processes have."""
        claimed: dict[str, Path] = {}
        for path in self.folder.glob("*.claim-*"):
            name = path.name.rpartition(".claim-")[0]
            if name not in claimed or _generation(path) > _generation(claimed[name]):
                claimed[name] = path
        return {name for name, path in claimed.items() if name not in self._held and self._alive(path)}

    def close(self) -> None:
        """Give everything back."""
        for name in list(self._held):
            self.release(name)
        self._stop.set()

    def _of(self, name: str) -> list[Path]:
        return list(self.folder.glob(f"{name}.claim-*"))

    def _newest(self, name: str) -> tuple[int, Path | None]:
        claims = {_generation(path): path for path in self._of(name)}
        last = max(claims, default=-1)
        return last, claims.get(last)

    def _alive(self, claim: Path) -> bool:
        """By the process, where it is one of this machine; else by the time of the last touch."""
        try:
            owner, touched = json.loads(claim.read_text(encoding="utf-8")), claim.stat().st_mtime
        except FileNotFoundError:
            return False
        except ValueError:  # it has just been made, or its machine is gone: its time tells
            owner, touched = {}, _mtime(claim)
        here = _this_process()
        if owner.get("machine") == here["machine"]:
            return _started(owner["pid"]) == owner["started"]
        return self._now() - touched < self.stale

    def _now(self) -> float:
        """The time by the clock that the claims are touched by, which is that of the folder's machine."""
        path = self.folder / f".now-{os.getpid()}-{threading.get_ident()}"
        path.touch()
        try:
            return path.stat().st_mtime
        finally:
            path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(self.heartbeat):
            with self._lock:
                held = list(self._held.values())
            for path in held:
                with suppress(OSError):
                    os.utime(path)


def _generation(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _this_process() -> dict:
    """Machine and process, so that a process of this machine that is gone is known at once."""
    pid = os.getpid()
    return {"machine": _machine(), "pid": pid, "started": _started(pid)}


def _machine() -> str:
    """Host, boot and space of process numbers: within one of these a number names a process; empty if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {os.getpid()} unknown"


def _started(pid: int) -> str:
    """When a process was started, in the kernel's own count; empty for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
