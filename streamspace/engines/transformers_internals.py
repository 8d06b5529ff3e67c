"""What continuous batching needs of transformers' private parts: all of it is here, and nowhere else.

transformers offers a batch whose results go to a queue and whose sampling is one for all. Here each result goes to the
reply's own reader in the batch's thread, so that what ends a reply ends it before the next pass, and all replies are
sampled here. tests/project/test_private_parts.py names every part, for the day when a newer version has it no more.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, LogitsProcessorList
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.continuous_batching.requests import FutureRequestState, GenerationOutput, RequestState

Deliver = Callable[[GenerationOutput], None]
Sample = Callable[[list[RequestState], torch.Tensor], torch.Tensor]
Salt = Callable[[str], tuple[str, int]]  # from a request's id
Note = Callable[[str, int], None]
LOGGER = "ContinuousBatchingLogger"  # what it says, the engine says once


def start_manager(
    model: Any,
    generation: GenerationConfig,
    batching: ContinuousBatchingConfig,
    deliver: Deliver,
    sample: Sample,
    salt: Salt,
    reused: Note,
) -> ContinuousBatchingManager:
    """A running batch that calls `deliver` with each output, and `sample` with all replies' scores, in its thread.

    Requests share what the batch has read of equal beginnings: as many of the first tokens as a request's `salt` tells,
    and the rest if the salts are the same. `reused` is told how many tokens of a request those are.
    """
    manager: ContinuousBatchingManager = model.init_continuous_batching(
        generation_config=generation, continuous_batching_config=batching
    )
    logging.getLogger(LOGGER).setLevel(logging.CRITICAL)
    manager.output_router = _Router(deliver)
    manager.logit_processor = _Scores(sample)
    create = manager._create_batch_processor
    manager._create_batch_processor = lambda: _salted(create(), salt, reused)  # type: ignore[method-assign]
    manager.start()
    return manager


def is_alive(manager: ContinuousBatchingManager) -> bool:
    """Whether the manager computes, or would; `is_running` alone stays true after its thread has failed."""
    return manager.is_running() and not manager.background_thread_status.can_accept_new_requests()


def attention(model: Any) -> str:
    """The attention implementation that the model computes with; a batch switches it to its own."""
    return str(model.config._attn_implementation)


def takes_dynamic_cache(model: Any) -> bool:
    """Whether `generate` gives the model a DynamicCache of its config's layers."""
    takes = "past_key_values" in inspect.signature(model.forward).parameters
    return takes and not model.config.is_encoder_decoder and bool(model._supports_default_dynamic_cache())


def logits_processors(
    model: Any, config: GenerationConfig, prompt_length: int, others: LogitsProcessorList
) -> LogitsProcessorList:
    """What `generate` would do to the scores by this config and with the `others` that it is given."""
    processors: LogitsProcessorList = model._get_logits_processor(
        config, input_ids_seq_length=prompt_length, logits_processor=others
    )
    return processors


def tokens_of(state: RequestState) -> list[int]:
    """The prompt and what has been written, of one request in the batch."""
    return [*state.initial_tokens, *state.generated_tokens]


def _salted(processor: Any, salt: Salt, reused: Note) -> Any:
    """The processor of a batch whose pages have the salt in their hashes: the first page's is in all that follow."""

    def tokens(request_id: str, ids: list[int]) -> list[int]:
        name, start = salt(request_id)
        digest = hashlib.blake2b(name.encode()).digest()
        salts = [int.from_bytes(digest[at : at + 4], "little") >> 1 for at in range(0, len(digest), 4)]
        salted = [id ^ salt for id, salt in zip(ids[start:], salts, strict=False)]
        return [*ids[:start], *salted, *ids[start + len(salts) :]]

    def found(request_id: str, ids: list[int]) -> int:
        length: int = search(request_id, tokens(request_id, ids))
        reused(request_id, length)
        return length

    cache = processor.cache
    search = cache.search_prefix_match
    cache.search_prefix_match = found
    for allocator in cache.cache_allocators.values():
        mark = allocator.mark_complete_blocks
        allocator.mark_complete_blocks = lambda request_id, ids, new, mark=mark: mark(
            request_id, tokens(request_id, ids), new
        )
    return processor


class _Router(OutputRouter):
    """Hands each output over in the batch's thread."""

    def __init__(self, deliver: Deliver) -> None:
        super().__init__()
        self._deliver = deliver

    def deliver(self, output: GenerationOutput) -> None:
        self._deliver(output)

    def deliver_batch(self, outputs: list[GenerationOutput]) -> None:
        for output in outputs:
            self._deliver(output)


class _Scores(ContinuousBatchingLogitsProcessorList):
    """Takes the place of the logits processors, which know one seed for all and sort the vocabulary for every reply."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(LogitsProcessorList())
        self.do_processing = True
        self._sample = sample
        self._rows: list[RequestState] = []

    def prepare_tensor_args(
        self, requests_in_batch: list[FutureRequestState], arg_storage: torch.Tensor
    ) -> torch.Tensor:
        """Called before each pass: notes which reply each row of scores will belong to."""
        self._rows = [request.state for request in requests_in_batch if request.has_new_token]
        return arg_storage

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.Tensor, logits_processor_args: torch.Tensor
    ) -> torch.Tensor:
        """Scores of shape (replies, vocabulary); the batch then takes the highest of each row."""
        count = len(self._rows)  # below them may be rows of replies whose prompts are still being read
        sampled = self._sample(self._rows, scores[:count])
        return sampled if count == len(scores) else torch.cat((sampled, scores[count:]))
