"""Suites that others wrote for servers of OpenAI's API, run against the app with the embedded model: `make suites`."""
