"""What is measured: serving, startup, streaming overhead, forward passes; and a simulation made from the figures."""
