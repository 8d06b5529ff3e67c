"""OpenAI's API over the same replies as the page: same line, same limits, same checks."""
