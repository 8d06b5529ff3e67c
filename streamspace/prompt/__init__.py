"""A conversation becomes a prompt: token ids, or messages for a server."""
