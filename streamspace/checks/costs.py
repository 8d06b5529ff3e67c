"""Asks the Hub what hardware costs, and says it for an hour and a day; without an answer nothing is said."""

from __future__ import annotations

import contextlib

from huggingface_hub import HfApi

from streamspace.checks.platform import ZEROGPU
from streamspace.errors import DeployError
from streamspace.hub.errors import hub_errors

HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}  # the units of the Hub's prices


def said(api: HfApi, hardware: str, sleep_minutes: int | None = None, replicas: int | None = None) -> str:
    """The cost of hardware, of so many copies, in words; empty where the Hub names none."""
    if hardware == ZEROGPU:
        return f"{hardware} costs its owner nothing"
    hour = _hour(api, hardware)
    if hour is None:
        return ""
    if not hour:
        return f"{hardware} costs nothing beside a plan that includes it"
    until = f"until {sleep_minutes} minutes pass without a visitor" if sleep_minutes else "until you pause it"
    named, hour = (f"{replicas} times {hardware}", hour * replicas) if replicas else (hardware, hour)
    return f"{named} costs {hour:.2f} USD an hour and {24 * hour:.2f} a day, {until}"


def _hour(api: HfApi, hardware: str) -> float | None:
    """USD for an hour."""
    with contextlib.suppress(DeployError), hub_errors("ask for the prices of hardware", hardware, "hardware"):
        for each in api.list_spaces_hardware():
            if each.name == hardware and each.unit_label in HOURS:
                return float(each.unit_cost_usd / HOURS[each.unit_label])
    return None
