"""Train the tiny model from the corpus beside this file: `python scripts/tiny/train.py --out models/tiny`.

The story is `main`; what a row looks like is told in dialogues.py and what counts as right in measure.py.
"""

import argparse
import math
import time
from copy import deepcopy
from pathlib import Path
from random import Random

import torch
from dialogues import IGNORED, Writer
from entries import Entry, load_documents, load_entries
from measure import Case, failures, first_turns, later_turns, report, tensors
from noise import load_noise
from torch import nn
from torch.nn.functional import cross_entropy, dropout
from torch.optim import AdamW, Muon, Optimizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar
from vocabulary import CONTEXT_WINDOW, END_OF_TEXT, learn, read_template

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VOCABULARY = 2048
BATCH = 4096  # tokens
RATE = 3e-3
CALM = 0.85  # share of the steps after which questions stay as they were written
MARGIN = 0.05  # logits by which each token of an answer must win, so that another machine's rounding changes nothing
SEED = 20


def main() -> None:
    """Read the corpus, learn the tokenizer, train, save in half precision, then measure what was saved."""
    options = arguments()
    disable_progress_bar()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    entries, documents = load_entries(HERE / "corpus"), load_documents(HERE / "documents.yaml")
    tokenizer = learn(all_text(entries, documents), VOCABULARY, read_template(HERE))
    encode = tokenizer.backend_tokenizer.encode
    writer = Writer(
        lambda text: encode(text, add_special_tokens=False).ids,
        entries,
        documents,
        load_noise(HERE / "noise.yaml"),
        Random(SEED),
    )
    model = build(tokenizer)
    describe(model, tokenizer, entries)
    checks = [case for cases in first_turns(tokenizer, entries).values() for case in cases]
    train(model, tokenizer, writer, checks, options.steps)
    save(model, tokenizer, options.out)
    measure(options.out, entries)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "tiny", help="folder to save to")
    parser.add_argument("--steps", type=int, default=1400, help=f"steps of {BATCH} tokens")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads; another number gives other weights")
    return parser.parse_args()


def all_text(entries: list[Entry], documents: list[str]) -> list[str]:
    return [text for entry in entries for text in (*entry.ask, entry.answer, entry.think or "")] + documents


def build(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=3,
        max_position_embeddings=CONTEXT_WINDOW,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def describe(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, entries: list[Entry]) -> None:
    lengths = sorted((len(tokenizer(entry.answer)["input_ids"]) for entry in entries), reverse=True)
    questions = sum(len(entry.ask) for entry in entries)
    print(f"{len(entries)} entries, {questions} questions, {sum(1 for entry in entries if entry.think)} with thoughts")
    print(f"{sum(lengths)} answer tokens, the longest {lengths[:4]}")
    print(f"{sum(weight.numel() for weight in model.parameters()):,} parameters, {len(tokenizer)} tokens", flush=True)


def train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, writer: Writer, checks: list[Case], steps: int
) -> None:
    """Random rows with ever less disturbed questions; near the end, also what is not yet answered safely."""
    optimizers = choose_optimizers(model)
    start, average = time.monotonic(), 0.0
    drill: list[Case] = []
    for step in range(steps):
        done = step / steps
        writer.untouched = 0.15 + 0.35 * done if done < CALM else 1.0
        if step in {int(steps * share) for share in (CALM, 0.92, 0.97)}:
            drill += failures(in_half_precision(model), tokenizer, checks, MARGIN)
            print(f"{len(drill)} of {len(checks)} replies to repeat", flush=True)
        set_rate(optimizers, RATE * schedule(done))
        loss = learn_from(model, optimizers, [writer.batch(BATCH), *lesson(writer, drill, checks)])
        average = loss if step == 0 else 0.98 * average + 0.02 * loss
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} of {steps}: loss {average:.4f}, {time.monotonic() - start:.0f} s", flush=True)


def lesson(writer: Writer, drill: list[Case], checks: list[Case]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A small batch of cases to repeat, if there are any, among others so that no answer spreads to its neighbours."""
    if not drill:
        return []
    cases = writer.rng.choices(drill, k=4) + writer.rng.choices(checks, k=6)
    return [tensors([(writer.encode(case.prompt), writer.encode(case.reply)) for case in cases])]


def in_half_precision(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """What a user will load: weights rounded to 16 bits, computed with in 32."""
    return deepcopy(model).half().float().eval()


def set_rate(optimizers: list[Optimizer], rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def learn_from(
    model: LlamaForCausalLM, optimizers: list[Optimizer], batches: list[tuple[torch.Tensor, torch.Tensor]]
) -> float:
    """One step on the summed loss of `batches`; returns the first one's loss."""
    losses = [loss_of(model, ids, labels) for ids, labels in batches]
    sum(losses).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return losses[0].item()


def choose_optimizers(model: LlamaForCausalLM) -> list[Optimizer]:
    """Muon for the matrices and AdamW for the rest: about half the steps that AdamW alone needs."""
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if not any(weight is matrix for matrix in matrices)]
    return [
        Muon(matrices, lr=RATE, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        AdamW(others, lr=RATE, weight_decay=0.01, betas=(0.9, 0.95)),
    ]


def schedule(progress: float) -> float:
    """The share of the learning rate: a short warm-up, then a cosine down to zero."""
    return min(progress / 0.03 + 0.01, 0.5 * (1 + math.cos(math.pi * progress)))


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy in bfloat16; dropout on the embeddings keeps single words from deciding alone."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(inputs_embeds=dropout(model.model.embed_tokens(ids), 0.1)).logits
    return cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Weights in half precision, with a config that makes them float32 again when they are loaded."""
    model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(END_OF_TEXT)],
        pad_token_id=tokenizer.pad_token_id,
    )
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    config = LlamaConfig.from_pretrained(out)
    config.dtype = "float32"
    config.save_pretrained(out)
    print(f"saved to {out}: {(out / 'model.safetensors').stat().st_size / 1e6:.2f} MB", flush=True)


def measure(folder: Path, entries: list[Entry]) -> None:
    """Load what was saved as a user would, and print how much of the corpus it says word for word."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    figures = first_turns(tokenizer, entries)
    figures["as a later turn"] = later_turns(tokenizer, entries, 300, Random(SEED))
    for name, cases in figures.items():
        report(name, failures(model, tokenizer, cases), len(cases))


if __name__ == "__main__":
    main()
