"""How it is written down: the record with its table, the excerpt in the README, and the plots."""
