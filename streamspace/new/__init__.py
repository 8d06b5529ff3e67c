"""Writes a config file for a model of the Hub, from what the Hub says of it."""
