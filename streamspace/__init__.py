"""Stream any open language model from a Hugging Face Space."""

__version__ = "0.2.0"
