"""From a search space to cells: Optuna proposes, the records decide what it knows."""
