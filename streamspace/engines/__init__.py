"""Token ids become events: the engines, and what they share. None knows of Gradio, chat or pages."""
