"""Golden values of moderated variances, by inmoose, a port of limma.

In an environment of its own:

pip install inmoose==0.9.1
python tests/golden/make_moderated.py > tests/golden/moderated.json
"""

import json
import sys

import numpy as np
from inmoose.limma.squeezeVar import squeezeVar

VARIANCES = [0.31, 0.08, 1.9, 0.45, 0.12, 0.77, 0.05, 2.6, 0.33, 0.2]
CASES = [
    (VARIANCES, [3] * 10),
    (VARIANCES, [3, 3, 2, 3, 1, 3, 3, 2, 3, 3]),
    ([0.01, 40.0, 0.2, 3.0, 0.7, 0.03], [1] * 6),
    (VARIANCES, [1] * 10),  # no more spread than by chance
]

cases = []
for variances, df in CASES:
    found = squeezeVar(np.array(variances), np.array(df, float))
    cases.append(
        {
            "variances": variances,
            "df": df,
            "prior_df": float(found["df_prior"]) if np.isfinite(found["df_prior"]) else None,
            "prior_variance": float(found["var_prior"]),
            "posterior": np.asarray(found["var_post"]).tolist(),
        }
    )
json.dump(cases, sys.stdout, indent=1)
sys.stdout.write("\n")
