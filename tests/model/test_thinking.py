"""The choices of thinking are what a chat template really has, by whatever names it has them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from streamspace.errors import RequestError
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation

BASE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "
SWITCH = BASE + "{% if not (@ | default(true)) %}<think></think>{% endif %}"
TEMPLATES = {  # what a template has, its choices, and its default
    "no word of it": (BASE, [], ""),
    "a word that changes nothing": (BASE + "{# enable_thinking #}", [], ""),
    "the name of a field": (BASE + "{% if false %}{{ messages[0].thinking }}{% endif %}", [], ""),
    "enable_thinking": (SWITCH.replace("@", "enable_thinking"), ["off", "on"], "on"),
    "thinking": (SWITCH.replace("@", "thinking"), ["off", "on"], "on"),
    "reasoning": (SWITCH.replace("@", "reasoning"), ["off", "on"], "on"),
    "off by default": (BASE + "{% if thinking %}<think>{% endif %}", ["off", "on"], "on"),
    "thinking_mode": (BASE + "{% if thinking_mode == 'enabled' %}<think>{% endif %}", ["off", "on"], "on"),
    "thinking_option": (BASE + "{{ thinking_option | default('on') }}", ["off", "on"], "on"),
    "thinking_budget": (BASE + "{% if thinking_budget == 0 %}<think></think>{% endif %}", ["off", "on"], "on"),
    "levels that it prints": (
        "Reasoning: {{ reasoning_effort | default('medium') }}\n" + BASE, ["low", "medium", "high"], "medium",
    ),
    "levels that it checks": (
        "{% if thinking_effort | default('max') not in ['low', 'high', 'max'] %}{{ raise_exception('no') }}{% endif %}"
        + BASE + "{{ thinking_effort | default('max') }}", ["low", "high", "max"], "max",
    ),
    "a switch and levels": (
        SWITCH.replace("@", "thinking") + "{{ reasoning_effort | default('high') if thinking | default(true) }}",
        ["off", "low", "medium", "high"], "high",
    ),
    "a switch and one more level": (
        SWITCH.replace("@", "thinking") + "{% if reasoning_effort == 'max' %}hard{% endif %}", ["off", "on", "max"], "on",
    ),
    "an effort that is none": (
        BASE + "{% if reasoning_effort | default('no_think') != 'no_think' %}{{ reasoning_effort }}{% endif %}",
        ["off", "low", "medium", "high"], "high",
    ),
    "a word in the system prompt": (
        BASE + "{% if '/no_think' in messages[0].content %}<think></think>{% endif %}", ["off", "on"], "on",
    ),
}  # fmt: skip


def builder(tiny: Any, template: str, default: str | None = None) -> PromptBuilder:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = template
    return PromptBuilder(tokenizer, 2048, 2048, default)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_choices_of_a_template_are_those_that_change_the_prompt(tiny: Any, name: str) -> None:
    template, choices, default = TEMPLATES[name]
    prompts = builder(tiny, template)
    assert (list(prompts.thinking.choices), prompts.thinking.default) == (choices, default)
    turns = [Turn("user", "Hello")]
    assert len({prompts.chat(Conversation("", turns, choice), 10).ids for choice in choices}) == len(choices)
    assert (
        prompts.chat(Conversation("", turns), 10).ids == prompts.chat(Conversation("", turns, default or None), 10).ids
    )


@pytest.mark.parametrize(
    ("wish", "chosen"),
    [(None, "high"), (True, "high"), ("on", "high"), (False, "off"), ("off", "off"), ("low", "low"), ("high", "high")],
)
def test_true_and_false_choose_among_levels_too(tiny: Any, wish: object, chosen: str) -> None:
    assert builder(tiny, TEMPLATES["a switch and levels"][0]).thinking.choose(wish) == chosen


def test_a_config_chooses_the_default_among_what_there_is(tiny: Any) -> None:
    template = TEMPLATES["a switch and levels"][0]
    assert builder(tiny, template, "low").thinking.default == "low"
    assert builder(tiny, template, "off").thinking.choose(True) == "high"
    assert builder(tiny, template, "max").thinking.default == "high"


@pytest.mark.parametrize("wish", ["max", "LOW", 3, "", ["low"]])
def test_a_choice_that_the_model_has_not_is_refused(tiny: Any, wish: object) -> None:
    with pytest.raises(RequestError) as caught:
        builder(tiny, TEMPLATES["a switch and levels"][0]).chat(Conversation("", [Turn("user", "Hello")], wish), 10)
    assert str(caught.value) == f'thinking: expected off, low, medium, high, got "{wish}"'


def test_where_there_is_no_choice_every_wish_is_met(tiny: Any) -> None:
    prompts = builder(tiny, BASE)
    assert prompts.thinking.choose(False) == prompts.thinking.choose("low") == ""
