"""What is compared: the table of contestants, how each is started as a process of its own, and their models."""
