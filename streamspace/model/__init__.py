"""Loading a model: device, files, number formats and threads."""
