"""Decides where a reply ends, and nothing else of what a model's own generation config may ask for."""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig

MARK, ROLES = "streamspace-reply", ("user", "assistant")


def generation_config(model: Any, tokenizer: Any) -> GenerationConfig:
    """A generation config that holds the end of a reply and decides nothing else.

    The model's own may ask for beams, penalties, stop strings, a time limit or a minimum length, any of which breaks
    streaming or a batch; its sampling is the config file's to set.
    """
    own, ends = model.generation_config, end_tokens(model.generation_config.eos_token_id, tokenizer)
    pad = next((each for each in (own.pad_token_id, tokenizer.pad_token_id, *ends) if each is not None), None)
    config: Any = GenerationConfig
    neutral: GenerationConfig = config(
        bos_token_id=own.bos_token_id,
        eos_token_id=ends or None,
        pad_token_id=pad,
        do_sample=False,
        disable_compile=True,  # torch.compile doesn't work on ZeroGPU
    )
    return neutral


def end_tokens(own: int | list[int] | None, tokenizer: Any) -> list[int]:
    """The ids that end a reply: of the model's generation config, of the tokenizer, and of the chat template together.

    Fine-tuned models often keep the base model's generation config, which doesn't know the template's end of a turn.
    """
    found = [own] if isinstance(own, int) else list(own or [])
    found += [each for each in (tokenizer.eos_token_id, _end_of_turn(tokenizer)) if each is not None]
    return list(dict.fromkeys(found))


def _end_of_turn(tokenizer: Any) -> int | None:
    """The added token that the chat template puts after a reply, if it does; those for images want lists of parts.

    Not of templates with channels: there the same token ends each channel, and the reply goes on after it.
    """
    for contents in (["Hi", MARK], [[{"type": "text", "text": text}] for text in ("Hi", MARK)]):
        after = _after_reply(tokenizer, contents)
        if after is not None:
            rest = tokenizer(after.lstrip(), add_special_tokens=False)["input_ids"]
            return rest[0] if rest and rest[0] in tokenizer.added_tokens_decoder else None
    return None


def _after_reply(tokenizer: Any, contents: list[Any]) -> str | None:
    """What the template writes after a reply, if it writes the reply."""
    messages = [{"role": role, "content": content} for role, content in zip(ROLES, contents, strict=True)]
    try:
        _, mark, after = tokenizer.apply_chat_template(messages, tokenize=False).rpartition(MARK)
        return after if mark and "<|channel|>" not in tokenizer.get_chat_template() else None
    except Exception:  # there is none, or it raises anything; `check_template` reports it
        return None
