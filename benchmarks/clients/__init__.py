"""Who asks: one light client by OpenAI's API for all systems, and one by the page's door for those that have a page."""
