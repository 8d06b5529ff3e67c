"""Who asks: one light client for all systems, and Gradio's client for those that have a page."""
