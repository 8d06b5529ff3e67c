"""MCP, by which agents call tools, over the same replies as the page: same line, same limits, same checks."""
