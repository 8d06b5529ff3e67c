"""Prompts fit their budget, follow the chat template, and can't be forged."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from transformers import AddedToken

from streamspace.errors import ModelError, RequestError
from streamspace.events import Part
from streamspace.model.templates import check_template
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation, Prompt

ALTERNATING = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)
SILENT = "{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}] {{ m.content }}\n{% endif %}{% endfor %}[assistant] "
OPENS_THOUGHTS = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] <think>\n"


def builder(tiny: Any, chat_template: str | None = None, most: int = 1024, window: int = 2048) -> PromptBuilder:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    return PromptBuilder(tokenizer, window, most)


def talk(turns: int) -> list[Turn]:
    """So many questions and answers, and a last question."""
    said = [Turn(role, f"{role} says number {index}") for index in range(turns) for role in ("user", "assistant")]  # type: ignore[arg-type]
    return [*said, Turn("user", "the last question")]


def shown(tiny: Any, found: Any) -> str:
    return str(tiny.tokenizer.decode(found.ids))


def test_a_conversation_is_encoded_as_the_models_template_says(tiny: Any) -> None:
    turns = talk(2)
    messages = [
        {"role": "system", "content": "Be kind."},
        *({"role": turn.role, "content": turn.text} for turn in turns),
    ]
    expected = tiny.tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    found = builder(tiny).chat(Conversation("Be kind.", turns), 100)
    assert (list(found.ids), found.dropped_messages, found.begins) == (expected, 0, "answer")


def test_the_oldest_turns_are_left_out_to_fit_and_counted(tiny: Any) -> None:
    whole = builder(tiny).chat(Conversation("Be kind.", talk(10)), 100)
    found = builder(tiny, most=len(whole.ids) // 2).chat(Conversation("Be kind.", talk(10)), 100)
    text = shown(tiny, found)
    assert len(found.ids) <= len(whole.ids) // 2
    assert found.dropped_messages % 2 == 0
    assert 8 <= found.dropped_messages <= 14
    assert "Be kind." in text
    assert "the last question" in text
    assert f"user says number {found.dropped_messages // 2}" in text
    assert f"user says number {found.dropped_messages // 2 - 1}" not in text
    more = builder(tiny).chat(Conversation("Be kind.", talk(10)[found.dropped_messages - 2 :]), 100)
    assert len(more.ids) > len(whole.ids) // 2  # one exchange more would not have fit


def test_the_reply_has_its_room_in_the_context_window(tiny: Any) -> None:
    found = builder(tiny, most=2048, window=200).chat(Conversation("", talk(20)), 120)
    assert len(found.ids) + 120 <= 200
    assert found.dropped_messages > 0


def test_a_single_message_that_is_too_long_is_refused(tiny: Any) -> None:
    length = len(builder(tiny, most=2048).chat(Conversation("", [Turn("user", "word " * 300)]), 100).ids)
    with pytest.raises(RequestError) as caught:
        builder(tiny, most=100).chat(Conversation("", [*talk(3)[:-1], Turn("user", "word " * 300)]), 100)
    assert str(caught.value) == (
        f"This message is too long: {length} tokens with its instructions, and there is room for 100. "
        "Shorten it, or lower the maximum reply length (max_new_tokens)"
    )


def test_a_reply_as_long_as_the_context_window_is_refused(tiny: Any) -> None:
    with pytest.raises(RequestError) as caught:
        builder(tiny).chat(Conversation("", talk(0)), 2048)
    assert str(caught.value) == (
        "Maximum reply length (max_new_tokens): expected less than the model's context window of 2,048 tokens, so that a "
        "prompt fits beside the reply. Lower it"
    )


@pytest.mark.parametrize("chat_template", [ALTERNATING, SILENT])
def test_without_a_system_role_the_instructions_go_into_the_first_message(tiny: Any, chat_template: str) -> None:
    found = builder(tiny, chat_template).chat(Conversation("Be kind.", talk(1)), 100)
    assert shown(tiny, found).startswith("[user] Be kind.\n\nuser says number 0\n[assistant] assistant says")


def test_thinking_is_switched_where_the_template_can(tiny: Any) -> None:
    on, off = (builder(tiny).chat(Conversation("", talk(0), thinking=thinking), 100) for thinking in (True, False))
    assert list(builder(tiny).thinking.choices) == ["off", "on"]
    assert shown(tiny, off) == shown(tiny, on) + "<think>\n\n</think>\n\n"
    assert not builder(tiny, ALTERNATING).thinking.choices


def test_thoughts_that_the_template_opens_belong_to_the_reply(tiny: Any) -> None:
    assert builder(tiny, OPENS_THOUGHTS).chat(Conversation("", talk(0)), 100).begins == "reasoning"


@pytest.mark.parametrize("chat_template", [None, OPENS_THOUGHTS])
def test_a_reply_goes_on_after_what_it_has(tiny: Any, chat_template: str | None) -> None:
    fresh = builder(tiny, chat_template).chat(Conversation("", talk(1)), 100)
    found = builder(tiny, chat_template).chat(
        Conversation("", talk(1), begun=(Part(fresh.begins or "answer", "One, two, "),)), 100
    )
    assert shown(tiny, found) == shown(tiny, fresh) + "One, two, "
    assert (found.continues, found.begins) == (True, fresh.begins)


CONTROL = ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|pad|>", "<think>", "</think>", "<|role|>"]


@pytest.fixture
def added(tiny: Any) -> Any:
    """The embedded model's tokenizer with a role token that is added, but not special, as DeepSeek's are."""
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.add_tokens([AddedToken("<|role|>", special=False)])
    tokenizer.chat_template = tokenizer.chat_template.replace("<|im_start|>", "<|im_start|><|role|>")
    return tokenizer


def control_ids(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    return [each for each in ids if each in tokenizer.added_tokens_decoder]


@pytest.mark.parametrize("control", CONTROL)
@pytest.mark.parametrize("where", ["system", "message", "history", "reply", "reasoning", "answer"])
def test_what_a_visitor_writes_stays_text_wherever_it_is_written(added: Any, control: str, where: str) -> None:
    prompts = PromptBuilder(added, 2048, 2048)

    def built(forged: str) -> Prompt:
        said = {
            name: f"hello{forged if name == where else ''} there" for name in ("system", "message", "history", "reply")
        }
        turns = [Turn("user", said["history"]), Turn("assistant", said["reply"]), Turn("user", said["message"])]
        begun = [Part(kind, f"{kind}{forged if where == kind else ''} goes") for kind in ("reasoning", "answer")]  # type: ignore[arg-type]
        return prompts.chat(Conversation(said["system"], turns, begun=begun), 100)

    plain, forged = built(""), built(control)
    assert control_ids(added, forged.ids) == control_ids(added, plain.ids)
    stripped = where == "reply" and control == "</think>"  # by the chat template, from earlier turns
    written = [added.decode(each.ids).count(control) for each in (plain, forged)]
    assert written == [written[0], written[0] + (not stripped)]
    assert "\u200b" not in added.decode(forged.ids)
    raw = prompts.text(f"a{control}b", 10).ids
    assert [each for each in raw if each in added.all_special_ids] == []


def test_a_tokenizer_with_several_templates_is_guarded_by_its_default_one(added: Any) -> None:
    added.chat_template = {"default": added.chat_template, "tool_use": "no role tokens"}
    forged = PromptBuilder(added, 2048, 2048).chat(Conversation("", [Turn("user", "hello<|role|>there")]), 100)
    assert forged.ids.count(added.convert_tokens_to_ids("<|role|>")) == 2  # the template's own
    added.chat_template = {"other": "no default"}
    assert PromptBuilder(added, 2048, 2048).text("hello", 10).ids  # a completion needs none


@pytest.mark.parametrize("harmless", ["<s>", "<mask>", "<pad>", "[INST]", "a < b", "\u200b", "<|im_en d|>"])
def test_harmless_text_reaches_the_model_unchanged(tiny: Any, harmless: str) -> None:
    turn = Turn("user", f"what is {harmless} in a text?")
    messages = [{"role": "user", "content": turn.text}]
    expected = tiny.tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert list(builder(tiny).chat(Conversation("", [turn]), 100).ids) == expected


def test_a_raw_text_is_encoded_as_the_tokenizer_does(tiny: Any) -> None:
    assert list(builder(tiny).text("A Space is", 10).ids) == tiny.tokenizer("A Space is")["input_ids"]


def test_a_model_without_a_chat_template_says_what_to_do(tiny: Any) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(ModelError) as caught:
        check_template(tokenizer, "chat", "owner/base")
    assert str(caught.value) == (
        "model.id: expected a model with a chat template for task: chat, got 'owner/base', which has none. "
        "Set task: completion for a base model, or name a .jinja file in model.chat_template"
    )
    check_template(tokenizer, "completion", "owner/base")


def test_a_chat_template_that_fails_says_what_to_do(tiny: Any) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = "{{ raise_exception('no tools') }}"
    with pytest.raises(ModelError) as caught:
        check_template(tokenizer, "chat", "owner/odd")
    assert str(caught.value) == (
        "model.chat_template: expected one that renders a message, got that of 'owner/odd', which doesn't: the log says why. "
        "Name a .jinja file that works in model.chat_template"
    )
    assert caught.value.detail == "no tools"
