"""JSON schemas that a reply is to follow: which can be, by llguidance, and with which tokenizers.

The masks over a model's scores are `constrained`'s. A schema can be written so that it takes minutes to be read, so it
is tried in a process of its own before anything here reads it.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping
from typing import Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from streamspace.foreign import clean
from streamspace.trial import Endless, limit, outcome

CPU_SECONDS = 2  # of a trial; most schemas take milliseconds
LIMITS = LLParserLimits(max_lexer_states=20_000, verbose_errors=False)  # 2 kB a state; an error would quote the reply
STRICT: Any = {"lenient": False, "coerce_one_of": False}  # a schema's own options don't count
# A small model may like blanks so much that it never ends.
OPTIONS: Any = {**STRICT, "whitespace_pattern": r"[ \n\t]{1,40}"}
# As chat templates show calls, by Python's JSON. Nobody reads their blanks.
OF_CALLS: Any = {**STRICT, "whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def problem(schema: str, tokenizer: Any) -> str:
    """Why replies of a model with this tokenizer can't follow a schema, given as JSON; "" if they can."""
    try:
        told: str = json.loads(outcome(__name__, schema))
    except Endless:
        told = "it takes too long to read. Use fewer patterns and ranges in one another"
    return told or _unreadable(tokenizer)


def matcher(schema: str, tokenizer: Any, is_call: bool = False) -> LLMatcher:
    """What follows one reply by its tokens, and knows which may come next. It raises nothing: see its `is_error`."""
    options = OF_CALLS if is_call else OPTIONS
    return LLMatcher(vocabulary(tokenizer), _grammar(schema, options), log_level=0, limits=LIMITS)


@functools.lru_cache(maxsize=2)
def vocabulary(tokenizer: Any) -> LLTokenizer:
    """A tokenizer's tokens as bytes: a second's work for a large one. Raises where they can't be known.

    Its added tokens are no text: llguidance would force one that a text of a schema looks like, and then refuse it.
    Which tokens end a reply is the mask's to know, so it is told of an end that no model has.
    """
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    _hide(described["model"], {token.content: id_ for id_, token in tokenizer.added_tokens_decoder.items()})
    end = len(described["model"]["vocab"])  # the id that it gets
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    described["added_tokens"] = [{"id": end, "content": "<|no model's end|>", "special": True, **flags}]
    described["padding"] = described["truncation"] = None
    return LLTokenizer(json.dumps(described), n_vocab=max(len(tokenizer), end + 1), eos_token=end)


def _hide(model: dict[str, Any], tokens: Mapping[str, int]) -> None:
    """Gives these tokens of a vocabulary names that no text has, and leaves out the merges that lead to them."""
    names = {token: f"<|hidden-{id_}|>" for token, id_ in tokens.items()}
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        model["vocab"] = {names.get(token, token): id_ for token, id_ in vocab.items()}
    else:
        model["vocab"] = [[names.get(token, token), score] for token, score in vocab]
    if "merges" in model:
        pairs = [each.split(" ") if isinstance(each, str) else each for each in model["merges"]]
        model["merges"] = [pair for pair in pairs if not names.keys() & {*pair, "".join(pair)}]
    unknown = model.get("unk_token")
    model["unk_token"] = names.get(unknown, unknown) if unknown else None


def _unreadable(tokenizer: Any) -> str:
    try:
        vocabulary(tokenizer)
    except Exception as error:  # it raises also what Rust raises
        return f"the model's tokenizer can't be read for it: {clean(str(error))[:200]}"
    return ""


def _grammar(schema: str, options: Any = OPTIONS) -> str:
    return LLMatcher.grammar_from_json_schema(schema, overrides=options)


def _main() -> None:
    """The process of a trial: prints what is wrong with a schema."""
    limit(CPU_SECONDS)
    wrong, told = LLMatcher.validate_grammar_with_warnings(_grammar(sys.stdin.read()), limits=LIMITS)
    print(json.dumps(" ".join(clean(told[0]).split())[:300] if wrong else ""))  # noqa: T201


if __name__ == "__main__":
    _main()
