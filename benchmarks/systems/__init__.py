"""What is compared: this app, the baseline and transformers' server, each a process whose model is metered."""
