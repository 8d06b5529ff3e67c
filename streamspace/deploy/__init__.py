"""From a config to a live Space: a plan of the steps, the steps, and the proof that it answers."""
