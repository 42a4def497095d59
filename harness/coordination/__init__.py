"""From cells to records: one coordinator per plan, its workers, and what becomes of them."""
