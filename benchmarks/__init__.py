"""Compares this app with a baseline and with transformers' server, through real clients: `python -m benchmarks`.

`systems` is what is compared, `clients` who sends the requests, `measurements` what is measured, `report` how it is
written down.
"""
