"""What can be known before a minute is lost: findings about a config, the card, the files and the model."""
