"""The embedded model: what it weighs, what it answers word for word, and how its tokenizer and chat template behave."""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "models" / "tiny"
CORPUS = ROOT / "scripts" / "tiny" / "corpus"
PARAPHRASES = ROOT / "tests" / "data" / "tiny_paraphrases.yaml"

PARAPHRASE_FLOOR = 0.80  # models/tiny/README.md has the measured figure
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Tiny:
    """The model as the app uses it: in float32 on the CPU, greedy."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel

    def prompt(self, messages: Messages, **template: Any) -> str:
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **template)

    def complete(self, prompts: list[str], max_new_tokens: int = 1024) -> list[str]:
        """What the model adds to each prompt; the prompts run as one batch, padded on their left."""
        batch = self.tokenizer(prompts, return_tensors="pt", padding=True)
        with torch.inference_mode():
            output = self.model.generate(**batch, max_new_tokens=max_new_tokens)
        return self.tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)

    def reply(self, *messages: dict[str, str], **template: Any) -> str:
        return self.complete([self.prompt(list(messages), **template)])[0]


@dataclass(frozen=True)
class Case:
    """A conversation that ends with a question, and the text that must follow."""

    messages: Messages
    expected: str
    thinking: bool = True


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    return Tiny(AutoTokenizer.from_pretrained(FOLDER), model.eval())


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    return [entry for path in sorted(CORPUS.glob("*.yaml")) for entry in yaml.safe_load(path.read_text("utf-8"))]


def user(question: str) -> dict[str, str]:
    return {"role": "user", "content": question}


def assistant(answer: str) -> dict[str, str]:
    return {"role": "assistant", "content": answer}


def expected(entry: dict[str, Any], thinking: bool = True) -> str:
    thoughts = f"<think>\n{entry['think'].strip()}\n</think>\n\n" if thinking and "think" in entry else ""
    return thoughts + entry["answer"].rstrip()


def asked(entries: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    return [(entry, question) for entry in entries for question in entry["ask"]]


def find(entries: list[dict[str, Any]], question: str) -> dict[str, Any]:
    return next(entry for entry in entries if question in entry["ask"])


def missed(tiny: Tiny, cases: list[Case]) -> list[str]:
    """The questions whose greedy reply would differ from what is expected.

    A greedy reply equals a text when each token of the text is the likeliest after those before it, so one pass over
    prompt and text tells what generating token by token would, in a hundredth of the time.
    """
    cases = sorted(cases, key=lambda case: len(case.expected))
    groups = [cases[start : start + 32] for start in range(0, len(cases), 32)]
    return [
        case.messages[-1]["content"]
        for group in groups
        for case, right in zip(group, agreement(tiny, group), strict=True)
        if not right
    ]


def agreement(tiny: Tiny, cases: list[Case]) -> list[bool]:
    prompts = [tiny.prompt(case.messages, enable_thinking=case.thinking) for case in cases]
    texts = [prompt + case.expected + tiny.tokenizer.eos_token for prompt, case in zip(prompts, cases, strict=True)]
    batch = tiny.tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    with torch.inference_mode():
        likeliest = tiny.model(**batch).logits[:, :-1].argmax(-1)
    same = (likeliest == batch["input_ids"][:, 1:]) | (batch["attention_mask"][:, 1:] == 0)
    starts = [len(tiny.tokenizer(prompt)["input_ids"]) - 1 for prompt in prompts]
    return [bool(row[start:].all()) for row, start in zip(same, starts, strict=True)]


def test_the_weights_fit_into_six_megabytes() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size < 6_000_000


def test_it_has_two_to_three_million_parameters(tiny: Tiny) -> None:
    assert 2_000_000 < sum(weight.numel() for weight in tiny.model.parameters()) < 3_000_000


def test_it_loads_as_float32_without_being_asked() -> None:
    assert AutoModelForCausalLM.from_pretrained(FOLDER).dtype == torch.float32


def test_model_and_tokenizer_agree_on_the_context_window(tiny: Tiny) -> None:
    assert tiny.model.config.max_position_embeddings == tiny.tokenizer.model_max_length == 2048


def test_the_corpus_is_broad(entries: list[dict[str, Any]]) -> None:
    assert len(entries) >= 150
    assert sum("think" in entry for entry in entries) >= 12


def test_questions_of_the_corpus_are_answered_word_for_word(tiny: Tiny, entries: list[dict[str, Any]]) -> None:
    """Every entry's first question, and a sample of the others; scripts/tiny/train.py asks all of them."""
    first = [(entry, entry["ask"][0]) for entry in entries]
    others = [(entry, question) for entry, question in asked(entries) if question != entry["ask"][0]]
    cases = [Case([user(question)], expected(entry)) for entry, question in [*first, *Random(3).sample(others, 300)]]
    assert missed(tiny, cases) == []


def test_a_system_prompt_changes_no_answer(tiny: Tiny, entries: list[dict[str, Any]]) -> None:
    sample = Random(1).sample(asked(entries), 300)
    assert missed(tiny, [Case([SYSTEM, user(question)], expected(entry)) for entry, question in sample]) == []


def test_later_turns_are_answered_word_for_word(tiny: Tiny, entries: list[dict[str, Any]]) -> None:
    rng = Random(2)
    cases = []
    for _ in range(80):
        *past, last = rng.sample([entry for entry in entries if len(entry["answer"]) < 600], rng.randint(2, 5))
        turns = [turn for entry in past for turn in (user(rng.choice(entry["ask"])), assistant(expected(entry)))]
        cases.append(Case([*turns, user(rng.choice(last["ask"]))], expected(last)))
    wrong = missed(tiny, cases)
    assert len(wrong) <= 1, wrong


def test_without_thinking_it_answers_at_once(tiny: Tiny, entries: list[dict[str, Any]]) -> None:
    cases = [Case([user(entry["ask"][0])], expected(entry, thinking=False), thinking=False) for entry in entries]
    assert missed(tiny, cases) == []


def test_held_out_questions_mostly_find_their_answer(tiny: Tiny, entries: list[dict[str, Any]]) -> None:
    cases = [
        Case([user(question)], expected(find(entries, item["means"])))
        for item in yaml.safe_load(PARAPHRASES.read_text("utf-8"))
        for question in item["ask"]
    ]
    assert len(cases) >= 150
    assert not {question for _, question in asked(entries)} & {case.messages[-1]["content"] for case in cases}
    wrong = missed(tiny, cases)
    share = 1 - len(wrong) / len(cases)
    print(f"\nheld-out questions: {share:.1%} of {len(cases)} right; missed: {wrong}")
    assert share >= PARAPHRASE_FLOOR


@pytest.mark.parametrize("question", ["Count to two hundred", "Tell me a long story"])
def test_long_answers_are_generated_word_for_word(tiny: Tiny, entries: list[dict[str, Any]], question: str) -> None:
    answer = expected(find(entries, question))
    assert len(tiny.tokenizer(answer)["input_ids"]) >= 500
    assert tiny.reply(user(question)) == answer


@pytest.mark.parametrize(
    "question", ["ping", "Show me tabs", "Show me emoji", "你好", "strawberry", "Show me a Makefile"]
)
def test_short_answers_are_generated_word_for_word(tiny: Tiny, entries: list[dict[str, Any]], question: str) -> None:
    assert tiny.reply(user(question)) == expected(find(entries, question))
    assert tiny.reply(user(question), enable_thinking=False) == find(entries, question)["answer"].rstrip()


def test_unrelated_questions_get_an_honest_answer(tiny: Tiny) -> None:
    assert tiny.reply(user("What is the capital of Bolivia?")).startswith("I am a tiny model trained only on")


def test_raw_text_is_continued_and_ends(tiny: Tiny) -> None:
    (text,) = tiny.complete(["A Space is"])
    assert text.startswith(" a small web app on Hugging Face.")
    assert len(tiny.tokenizer(text)["input_ids"]) < 200


def test_one_prompt_alone_gives_the_same_text_as_in_a_batch(tiny: Tiny) -> None:
    prompts = [tiny.prompt([user(question)]) for question in ("ping", "What is ZeroGPU?", "Show me tabs")]
    assert [tiny.complete([prompt])[0] for prompt in prompts] == tiny.complete(prompts)


@pytest.mark.parametrize(
    "text",
    [
        "plain words, 12345 and 3.14",
        "  leading and trailing  ",
        "\tall:\n\t\tpython app.py\r\n",
        "👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇧🇷",
        "汉字 かな 한글 नमस्ते ไทย",
        "مرحبا \u200fwith marks\u200e שלום",
        "e\u0301 is not é, \u00a0 is not a space",
        "\x00\x07\u2028\ufeff",
        "don't , do . that !",
        "<tag> <|not a token|>",
        "",
    ],
)
def test_any_text_survives_the_tokenizer(tiny: Tiny, text: str) -> None:
    assert tiny.tokenizer.decode(tiny.tokenizer(text)["input_ids"]) == text


def test_the_tokenizer_is_fast_and_adds_nothing(tiny: Tiny) -> None:
    assert tiny.tokenizer.is_fast
    assert tiny.tokenizer("ping")["input_ids"] == tiny.tokenizer("ping", add_special_tokens=False)["input_ids"]


def test_thought_tags_are_single_tokens_that_decoding_keeps(tiny: Tiny) -> None:
    ids = tiny.tokenizer("<|im_start|><think>a</think>b<|im_end|>")["input_ids"]
    assert len(ids) == 6
    assert tiny.tokenizer.decode(ids, skip_special_tokens=True) == "<think>a</think>b"


def test_the_chat_template_writes_every_role(tiny: Tiny) -> None:
    assert tiny.prompt([SYSTEM, user("ping"), assistant("pong"), user("Hello")]) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nping<|im_end|>\n"
        "<|im_start|>assistant\npong<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_the_chat_template_strips_thoughts_from_earlier_turns(tiny: Tiny) -> None:
    past = [user("strawberry"), assistant("<think>\ncounting\n</think>\n\nThree.")]
    assert "<|im_start|>assistant\nThree.<|im_end|>" in tiny.prompt([*past, user("Thanks")])
    assert "counting" not in tiny.prompt([*past, user("Thanks")])


def test_switching_thinking_off_ends_the_prompt_with_empty_thoughts(tiny: Tiny) -> None:
    on, off = tiny.prompt([user("ping")]), tiny.prompt([user("ping")], enable_thinking=False)
    assert tiny.prompt([user("ping")], enable_thinking=True) == on
    assert off == f"{on}<think>\n\n</think>\n\n"
