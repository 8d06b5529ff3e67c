"""Incremental decoding equals decoding at once, whatever the tokens; stop strings never show."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from streamspace.engines.decode import Decoder, StopStrings

TEXTS = [
    "Hello, world", "  two leading spaces", "\tif x:\n\t\treturn 1\n", "日本語と中文", "مرحبا بالعالم",
    "👩‍💻 and 🇫🇷 and é", "line\n\n\nline   ", "don ' t tidy , this up .",
]  # fmt: skip


def pieces(tokenizer: Any, ids: list[int]) -> list[str]:
    decoder = Decoder(tokenizer)
    return [*(decoder.push(token) for token in ids), decoder.flush()]


def metaspace() -> Any:
    """A tokenizer of Llama 2's kind: words carry their leading space, and unknown characters fall back to bytes."""
    words = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        "▁Hello",
        "▁world",
        ",",
        "l",
        "o",
        "▁the",
        "x",
    ]
    tokenizer = Tokenizer(
        models.BPE({word: index for index, word in enumerate(words)}, [], byte_fallback=True, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_every_script_arrives_whole(tiny: Any, text: str) -> None:
    ids = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    found = pieces(tiny.tokenizer, ids)
    assert "".join(found) == text
    assert all("\ufffd" not in piece for piece in found)


def test_any_tokens_decode_as_they_would_at_once(tiny: Any) -> None:
    draw = random.Random(1)
    for _ in range(500):
        ids = [draw.randrange(len(tiny.tokenizer)) for _ in range(draw.randrange(1, 40))]
        assert "".join(pieces(tiny.tokenizer, ids)) == tiny.tokenizer.decode(ids, skip_special_tokens=True)


def test_byte_fallback_tokens_decode_as_they_would_at_once() -> None:
    tokenizer = metaspace()
    draw = random.Random(1)
    parts = ["Hello", " world", ",", " the", "\n", "  ", "語", "é", "👩‍💻", "x"]
    for _ in range(300):
        text = "".join(draw.choices(parts, k=12))
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert "".join(pieces(tokenizer, ids)) == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_space_after_an_invisible_token_is_kept() -> None:
    tokenizer = metaspace()
    ids = tokenizer.convert_tokens_to_ids(["▁Hello", "</s>", "</s>", "▁world"])
    assert pieces(tokenizer, ids) == ["Hello", "", "", " world", ""]


def test_a_continued_reply_keeps_the_space_between_its_halves() -> None:
    tokenizer = metaspace()
    before = tokenizer.convert_tokens_to_ids(["▁the", "▁Hello"])
    assert Decoder(tokenizer, before).push(tokenizer.convert_tokens_to_ids("▁world")) == " world"


def test_decoding_a_token_costs_the_same_at_the_end_of_a_long_reply(tiny: Any) -> None:
    class Counting:
        decoded = 0

        def decode(self, ids: list[int], **settings: Any) -> str:
            Counting.decoded += len(ids)
            return str(tiny.tokenizer.decode(ids, **settings))

    ids = tiny.tokenizer("Streaming text, one token after another. " * 100, add_special_tokens=False)["input_ids"]
    pieces(Counting(), ids)
    assert Counting.decoded <= 6 * len(ids)


def test_a_stop_string_is_found_across_pieces_and_a_beginning_of_one_is_held_back() -> None:
    stops = StopStrings(["END", "\n\nUser:"])
    assert stops.push("one\n") == ("one", False)
    assert stops.push("\nUse") == ("", False)
    assert stops.push("ful E") == ("\n\nUseful ", False)
    assert stops.push("ND of it") == ("", True)


def test_what_was_held_back_comes_out_when_the_text_ends() -> None:
    stops = StopStrings(["END"])
    assert stops.push("the EN") == ("the ", False)
    assert stops.flush() == "EN"


def test_the_earliest_of_several_stop_strings_wins() -> None:
    assert StopStrings(["c", "b"]).push("abc") == ("a", True)
