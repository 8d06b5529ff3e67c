"""Compares this app with a baseline, transformers' server and llama.cpp's, by one client: `python -m benchmarks`.

`systems` is what is compared, `clients` who sends the requests, `measurements` what is measured, `report` how it is
written down.
"""
