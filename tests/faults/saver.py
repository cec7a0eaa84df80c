"""Saves step after step until it is killed; started by test_r02_killed_saves.py."""

import sys

from stores import state

from jaxtricks.checkpoint import Checkpoints

folder, size, asynchronous = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "asynchronous"
checkpoints = Checkpoints(folder, asynchronous=asynchronous)
step = checkpoints.latest() or 0
while True:
    step += 1
    checkpoints.save(step, state(step, size), {"step": step})
    print(step, flush=True)
