"""Runs an app on the real `spaces` package without a GPU: a stand-in device API, five CPU shims, and a process.

`device_api` plays the platform by the `rules` that a test sets, `launch` is what the app's process runs, and `harness`
starts and ends that process.
"""
