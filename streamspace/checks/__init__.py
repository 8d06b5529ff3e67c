"""Checks before a deploy: findings about a config, the card, the files, the requirements and the model."""
