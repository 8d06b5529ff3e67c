"""The page that the visitor sees, in Gradio."""
