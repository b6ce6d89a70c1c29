"""Made-up confirmations with known gains."""

import numpy as np
import pandas as pd

CELLS = {
    "mix": ("mix", 400, 800),
    "control": ("none", 400, 0),
    "mix-classical": ("mix-classical", 400, 800),
    "classical": ("classical", 400, 0),
}


def confirmation(gains, n_test=2000, lost=20, seeds=(7, 8), arms=("mix", "control")):
    """Classifiers of some units; a mix reads what its control reads and its unit's gain.

    Controls read the first 80 % of the images, so that images differ too: of the gain's images some
    more are won, and as many of the others ``lost``, the same in every unit.
    """
    labels = np.arange(n_test) % 10
    rows, right = [], []
    for number, gain in enumerate(gains):
        for arm in arms:
            for seed in seeds:
                mine = np.arange(n_test) < 0.8 * n_test
                if arm.startswith("mix"):
                    won = round(gain * n_test) + lost
                    mine[:lost] = False
                    start = round(0.8 * n_test)
                    mine[start : start + max(won, 0)] = True
                    mine[lost : lost + max(-won, 0)] = False
                names = [arm, "real"] if arm == "control" else [arm]
                rows.append([f"r-{number}", 400, names, *CELLS[arm], seed])
                right.append(mine)
    columns = ["unit", "unit_real", "arms", "strategy", "n_real", "n_synthetic", "seed"]
    predictions = np.where(right, labels, (labels + 1) % 10)
    return pd.DataFrame(rows, columns=columns), predictions, labels
