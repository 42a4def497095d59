"""Optuna proposes, the records decide what it knows."""
