"""A model in its place: device, files, number formats, threads."""
