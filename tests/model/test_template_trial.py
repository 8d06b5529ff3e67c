"""A chat template that doesn't come to an end is refused: by `check`, while loading, and with a reply's conversation."""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from streamspace.checks import templates as checks
from streamspace.config.model import Model
from streamspace.errors import ModelError, RequestError
from streamspace.model import template_trial as templates
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation
from streamspace.trial import MEMORY, SECONDS, Endless
from tests.running import ROOT

LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
LARGE = "{{ (messages[0].role * 4 * 10 ** 8) | length }}"  # 1.6 GB
ENDLESS = {
    "nested loops": LOOPS,
    "a number too large to write": "{{ 9 ** (9 ** 9) }}",  # computed while it is compiled, in one step
    "a text too large for the memory": LARGE,
    "loops in a tag of transformers": "{% generation %}" + LOOPS + "{% endgeneration %}",
}
WITHIN_A_REPLY = "{% for m in messages %}{% if 'now' in m.content %}" + LOOPS + "{% endif %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_a_template_without_an_end_is_ended(source: str) -> None:
    started = time.monotonic()
    with pytest.raises(Endless):
        templates.trial(source)
    assert time.monotonic() - started < SECONDS + 10


def test_a_template_gets_no_more_memory_than_its_limit() -> None:
    measure = (
        "import resource, sys; from streamspace.model import template_trial as t; from streamspace.trial import Endless\n"
        "try: t.trial(sys.argv[1])\n"
        "except Endless: print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", measure, LARGE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 0 < int(done.stdout) * 1024 < MEMORY


def test_check_says_that_a_template_does_not_come_to_an_end() -> None:
    (found,) = checks.findings({}, LOOPS, "a.yaml")
    assert str(found) == (
        "a.yaml: model.chat_template: expected one that renders a message, got one which takes more time or memory than a "
        "template needs. Name a .jinja file that works in model.chat_template"
    )


def test_a_models_template_without_an_end_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text(LOOPS)
    with pytest.raises(ModelError) as caught:
        load(Model(id="./models/tiny", chat_template=str(file)), Placement("cpu", "float32", "a test"))
    assert str(caught.value) == (
        "model.chat_template: expected one that renders a conversation in milliseconds, got that of './models/tiny', which "
        "takes more time or memory than a template needs. Name a .jinja file of your own"
    )


def test_a_template_that_does_not_end_with_one_conversation_is_stopped_and_told(tiny: Any) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = WITHIN_A_REPLY
    assert templates.trial(WITHIN_A_REPLY) == [None, None, None]
    builder = PromptBuilder(tokenizer, 2048, 1024)
    with pytest.raises(RequestError) as caught:
        builder.chat(Conversation("", [Turn("user", "now")]), 16)
    assert str(caught.value) == (
        "The model's chat template doesn't come to an end with this conversation. Begin a new one. The Space's owner: see "
        "model.chat_template"
    )
    until = time.monotonic() + 10
    while (
        running := [each.name for each in threading.enumerate() if each.name == "template"]
    ) and time.monotonic() < until:
        time.sleep(0.05)
    assert running == []
    assert builder.chat(Conversation("", [Turn("user", "later")]), 16).ids


def test_a_trial_tells_what_a_template_refuses_as_transformers_does() -> None:
    assert templates.trial("{{ raise_exception('no') }}", [[]]) == ["no"]
    assert templates.trial("{{ messages | tojson(indent=2, ensure_ascii=True) }}", [[]]) == [None]
    assert templates.trial("{% generation %}a{% endgeneration %}{{ bos_token + 'x' }}", [[]], {"bos_token": "a"}) == [
        None
    ]
    assert templates.trial("{{ ''.__class__.__mro__ }}{{ x.y.z }}", [[]])[0] is not None


def test_what_is_raised_within_the_limit_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        templates.limited(lambda: 1 / 0)
    assert templates.limited(lambda: 7) == 7
