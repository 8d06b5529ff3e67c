"""What a reply of a transformers model needs: who reads its tokens, what is done with their scores, how it samples."""

from __future__ import annotations

import copy
import threading
from typing import Any

from transformers import GenerationConfig, LogitsProcessorList

from streamspace.engines import parts
from streamspace.engines.constrained import Constraint
from streamspace.engines.decode import Decoder
from streamspace.engines.forms import Form
from streamspace.engines.recorder import Recorder
from streamspace.engines.reply import Reply
from streamspace.events import Request
from streamspace.sampling import PARAMETERS, SamplingParams


def new_reply(request: Request, stop: threading.Event, model: Any, tokenizer: Any, form: Form) -> Reply:
    """A reply of the model's tokens, taken apart as the request wants it."""
    before = request.prompt if request.continues else ()
    if request.begins is None:
        return Reply(request, stop, Decoder(tokenizer, before), end_tokens(model))
    prompt = tokenizer.decode(request.prompt) if form.template else ""
    reader = parts.parser(form, request.begins, request.continues, prompt)
    return Reply(request, stop, Decoder(tokenizer, before, form.special), end_tokens(model), reader)


def processors(reply: Reply, tokenizer: Any, form: Form) -> LogitsProcessorList:
    """What is done with the scores of a reply's tokens, beside its sampling."""
    sampling, found = reply.request.sampling, LogitsProcessorList()
    if sampling.likeliest is not None:
        recorder = Recorder(tokenizer, sampling.likeliest)
        reply.score = recorder.take
        found.append(recorder)
    if sampling.grammar:
        found.append(Constraint(sampling.grammar, reply, tokenizer, form))
    return found


def end_tokens(model: Any) -> frozenset[int]:
    """The ids of the tokens that end a reply; a model may have several."""
    found = model.generation_config.eos_token_id
    return frozenset([found] if isinstance(found, int) else found or [])


def generation_config(base: GenerationConfig, sampling: SamplingParams) -> GenerationConfig:
    """The model's generation config with the request's sampling; at temperature 0 the sampling keys are left out."""
    config = copy.deepcopy(base)
    config.max_length = None
    config.do_sample = not sampling.is_greedy
    config.typical_p = None
    for each in PARAMETERS:
        value = getattr(sampling, each.name)
        applies = (each.greedy or config.do_sample) and (each.always or value != each.neutral)
        setattr(config, each.name, value if applies else None)
    return config
