"""The config file: its types, finding and reading one, and what is generated from the types."""
