"""Deploys a config to a Space: the plan, its execution, and the verification that the Space replies."""
