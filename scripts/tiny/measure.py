"""Word-for-word figures. A greedy reply equals the answer exactly when each of its tokens is the likeliest next one."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import torch
from dialogues import IGNORED, pad
from entries import Entry
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}


@dataclass(frozen=True)
class Case:
    """A prompt, the reply expected after it, and the question that is shown when it fails."""

    prompt: str
    reply: str
    question: str


def single_turns(
    tokenizer: PreTrainedTokenizerBase, entries: list[Entry], *, system: bool = False, thinking: bool = True
) -> list[Case]:
    """Every phrasing of every entry as the first message of a conversation."""
    return [
        case(tokenizer, [SYSTEM] if system else [], entry, question, thinking)
        for entry in entries
        for question in entry.ask
    ]


def first_turns(tokenizer: PreTrainedTokenizerBase, entries: list[Entry]) -> dict[str, list[Case]]:
    """The three ways in which every question must be answered to the letter."""
    return {
        "bare": single_turns(tokenizer, entries),
        "with a system prompt": single_turns(tokenizer, entries, system=True),
        "without thinking": single_turns(tokenizer, entries, thinking=False),
    }


def later_turns(tokenizer: PreTrainedTokenizerBase, entries: list[Entry], count: int, rng: Random) -> list[Case]:
    """The last questions of `count` random conversations of two to five turns."""
    cases = []
    for _ in range(count):
        *past, last = [rng.choice(entries) for _ in range(rng.randint(2, 5))]
        messages = [SYSTEM] if rng.random() < 0.5 else []
        for entry in past:
            messages += [
                {"role": "user", "content": rng.choice(entry.ask)},
                {"role": "assistant", "content": entry.answer},
            ]
        cases.append(case(tokenizer, messages, last, rng.choice(last.ask), True))
    return cases


def case(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], entry: Entry, question: str, thinking: bool
) -> Case:
    prompt = tokenizer.apply_chat_template(
        [*messages, {"role": "user", "content": question}],
        add_generation_prompt=True,
        enable_thinking=thinking,
        tokenize=False,
    )
    thoughts = f"<think>\n{entry.think}\n</think>\n\n" if thinking and entry.think else ""
    return Case(prompt, f"{thoughts}{entry.answer}{tokenizer.eos_token}", question)


@torch.inference_mode()
def failures(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, cases: list[Case], margin: float = 0.0
) -> list[Case]:
    """The cases whose greedy reply differs in at least one token, or wins one by less than `margin` logits."""
    wrong = []
    for group in batches(tokenizer, cases):
        ids, labels = tensors([(prompt, reply) for _, prompt, reply in group])
        right = agreement(model, ids, labels, margin)
        wrong += [case for (case, _, _), ok in zip(group, right.tolist(), strict=True) if not ok]
    return wrong


def tensors(pairs: list[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Ids and labels, each (rows, longest), of prompts with their replies; only the replies are labelled."""
    length = max(len(prompt) + len(reply) for prompt, reply in pairs)
    ids = pad([prompt + reply for prompt, reply in pairs], length, 0)
    return ids, pad([[IGNORED] * len(prompt) + reply for prompt, reply in pairs], length, IGNORED)


def agreement(model: PreTrainedModel, ids: Tensor, labels: Tensor, margin: float) -> Tensor:
    """For each row, whether the labelled token leads by `margin` at every labelled position. (rows,) of bool."""
    logits, wanted = model(input_ids=ids).logits[:, :-1], labels[:, 1:]
    best, second = logits.topk(2).values.unbind(-1)
    leads = (logits.argmax(-1) == wanted) & (best - second >= margin)
    return (leads | (wanted == IGNORED)).all(-1)


def batches(
    tokenizer: PreTrainedTokenizerBase, cases: list[Case], tokens: int = 8192
) -> Iterable[list[tuple[Case, list[int], list[int]]]]:
    """Cases of similar length together, each with the ids of its prompt and reply, about `tokens` in a batch."""
    encoded = [(case, tokenizer(case.prompt)["input_ids"], tokenizer(case.reply)["input_ids"]) for case in cases]
    encoded.sort(key=lambda item: len(item[1]) + len(item[2]))
    group: list[tuple[Case, list[int], list[int]]] = []
    for item in encoded:
        if group and (len(group) + 1) * (len(item[1]) + len(item[2])) > tokens:
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def report(name: str, wrong: list[Case], total: int) -> None:
    print(f"{name}: {total - len(wrong)} of {total} word for word ({1 - len(wrong) / total:.1%})", flush=True)
    for case in wrong[:8]:
        print(f"    missed: {case.question}")
