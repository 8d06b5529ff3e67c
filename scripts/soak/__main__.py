"""The command line of the soak: `make soak`, or `make soak SECONDS=30 SEED=7`. Exit code 1 where a rule is broken."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import urlopen

from scripts.soak import judge
from scripts.soak.doors import Case, Space
from scripts.soak.process import Process, Pulse, Quiet
from scripts.soak.strangers import STRANGERS
from scripts.soak.visitors import Visit, undisturbed, visit
from tests.running import App

AT_ONCE = 8  # visitors, beside the floods
STRANGE = 0.25  # of all visitors
STARTED = "scripts/soak/started.py"
CHANGES = {"doors.metrics": True, "limits.queue": 12}


def main(arguments: Sequence[str] | None = None, script: str = "app.py", fresh: bool = True) -> int:
    """Runs the app under visitors, prints the report, and names each rule that it broke. See `tests.running.App`."""
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long visitors come")
    parser.add_argument("--seed", type=int, default=0, help="of who comes, and how")
    options = parser.parse_args(arguments)
    found = soak(options.seconds, options.seed, script, fresh)
    for line in judge.report(found):
        print(line)
    problems = list(dict.fromkeys(judge.broken(found)))
    for problem in problems:
        print(f"broken: {problem}", file=sys.stderr)
    return bool(problems)


def soak(seconds: float, seed: int, script: str, fresh: bool) -> judge.Found:
    """What visitors for so long, in two halves, find of an app, which is started and ended here."""
    with TemporaryDirectory() as folder:
        app = App(Path(folder), CHANGES, STARTED, {"APP": script}, fresh=fresh)
        try:
            space = loaded(app)
            with Pulse(app.url) as pulse:
                visits, before, after = asyncio.run(_halves(space, Process(app), seconds, seed))
        finally:
            app.end()
        return judge.Found(visits, before, after, pulse.longest, app.log, app.process.returncode)


async def _halves(space: Space, process: Process, seconds: float, seed: int) -> tuple[list[Visit], Quiet, Quiet]:
    process.tell()
    texts = await undisturbed(space)
    visits: list[Visit] = []
    moments = []
    for half in range(2):
        until = time.monotonic() + seconds / 2
        await asyncio.gather(
            *(_come(space, texts, Random(f"{seed} {half} {number}"), until, visits) for number in range(AT_ONCE))
        )
        moments.append(await process.quiet())
    return visits, *moments


async def _come(space: Space, texts: dict[Case, str], chance: Random, until: float, visits: list[Visit]) -> None:
    """One visitor after another, until the time is over; none who would take longer."""
    while (left := until - time.monotonic()) > 0:
        (stranger,) = chance.choices(list(STRANGERS), [often for often, _ in STRANGERS.values()])
        if chance.random() > STRANGE or STRANGERS[stranger][1] > left:
            visits.append(await visit(space, texts, chance))
            continue
        try:
            visits.append(await stranger(space, texts, chance))
        except Exception as error:
            visits.append(Visit("http", stranger.__name__, "failed", f"{type(error).__name__}: {error}"[:300]))


def loaded(app: App) -> Space:
    """The app, once its model is loaded."""
    while app.process.poll() is None:
        try:
            urlopen(f"{app.url}/health", timeout=10).close()
            break
        except HTTPError as error:
            error.close()
            time.sleep(0.1)
    with urlopen(f"{app.url}/config", timeout=10) as answer:
        config = json.load(answer)
    (question,) = (each["id"] for each in config["components"] if each["type"] == "json")
    calls = (each["id"] for each in config["dependencies"] if each["inputs"] == [question])
    return Space(app.url, next(calls))


if __name__ == "__main__":
    sys.exit(main())
