"""Every way in: the page, the API, /health, and the server."""
