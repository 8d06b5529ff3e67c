"""Holds the real app under mixed visitors for minutes, and judges what is left of it: `make soak`.

`doors` are the ways in, `visitors` who comes and how, `strangers` who comes only to break, `process` what is measured
of the app, `judge` the rules and the report.
"""
