"""The Hub's formats and errors: card, upload, requirements."""
