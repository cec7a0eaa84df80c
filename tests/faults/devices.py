"""Halves of runs on all devices of this process; started by test_r15_devices.py.

    python devices.py OUT FOLDER...

A folder that is not there gets the first half of a run; from any other, the second half goes on. To the file goes what
halves.py tells of each.
"""

import json
import os
import sys

from halves import go_on, save

out, *folders = sys.argv[1:]
report = [go_on(folder) if os.path.isdir(folder) else save(folder) for folder in folders]
with open(out, "w", encoding="utf-8") as file:
    json.dump(report, file)
