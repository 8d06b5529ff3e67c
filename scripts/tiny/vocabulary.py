"""The tokenizer: byte-level BPE learned from the corpus, so that any Unicode text survives the round trip."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CONTEXT_WINDOW = 2048
END_OF_TEXT, START, END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
THINK, END_THINK = "<think>", "</think>"

# Words keep their leading space, digits stand alone, and the last space of an indent belongs to what follows it.
PIECES = r" ?\p{L}[\p{L}\p{M}]*| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s*\n|\s+(?!\S)|\s+"


def learn(texts: Iterable[str], size: int, chat_template: str) -> PreTrainedTokenizerFast:
    """A tokenizer of `size` entries for `texts`, with the chat markers and thought tags added to it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [END_OF_TEXT, START, END, PAD]
    trainer = trainers.BpeTrainer(
        vocab_size=size - 2,
        min_frequency=2,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Thought tags must survive `skip_special_tokens`, so they are added but not special.
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in (THINK, END_THINK)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT_WINDOW,
        padding_side="left",
    )


def read_template(folder: Path) -> str:
    return (folder / "chat_template.jinja").read_text(encoding="utf-8").strip()
