"""Saves on a file system of 2 MiB that is full, then on one that is not; started by test_r05_full_disks.py.

    python full_disk.py FOLDER SIZE

It mounts the file system at the folder, in a name space that it must be started in: nobody else sees it, and it goes
when the process ends.
"""

import os
import subprocess
import sys
from pathlib import Path

from stores import fails, fill, holds, restore, state, tree

from jaxtricks.checkpoint import Checkpoints

disk, size = Path(sys.argv[1]), int(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
for number, asynchronous in enumerate((False, True), 1):
    folder = disk / f"{asynchronous}"
    fill(folder, 1, size=size)
    before = tree(folder)
    checkpoints = Checkpoints(folder, asynchronous=asynchronous)
    space = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(space.f_bavail * space.f_frsize - 150_000))
    assert "newest complete step is 1" in fails(checkpoints, 2, size)
    holds(checkpoints, [1], before)
    (disk / "ballast").unlink()
    checkpoints.save(2, state(2, size), {"step": 2})
    checkpoints.close()
    assert restore(folder, size) == (2, [])
    print("saved", number, flush=True)
