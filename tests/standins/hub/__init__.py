"""A stand-in for the Hub on the loopback, for the real client: it builds, starts and serves what is uploaded."""
