"""The reasons of a proposed config in words: comments in the file, the lines that `new` prints, and the file's head."""

from __future__ import annotations

from streamspace.checks.memory import DECIMAL, shown
from streamspace.checks.platform import HARDWARE, XLARGE_GB, ZEROGPU
from streamspace.checks.weights import PARAMETERS, active_share, is_unpacked, stored
from streamspace.config.types import Config
from streamspace.new import makers
from streamspace.new.facts import Facts
from streamspace.new.placing import Place

ZERO = {"temperature": "; 0: greedy decoding", "top_k": "; 0: all tokens", "min_p": "; 0: all tokens"}


def comments(facts: Facts, place: Place, config: Config, because: str) -> dict[str, str]:
    """Comments by key, for values that were chosen by something that the file doesn't show."""
    others = ", ".join(each for each in ("chat", "completion", "image-chat") if each != config.task)
    found = {
        "task": f"{because}; the others: {others}",
        "card.hardware": _holds(place),
        "model.revision": "the newest commit when this was written; null follows changes",
    }
    if facts.gated:
        found["card.preload"] = "the build can't read a gated model: the app does, with the Space's secret HF_TOKEN"
    if place.file:
        found["model.file"] = f"{shown(place.need.weights, DECIMAL)}; `check --online` lists the others"
    if not facts.licence:
        found["model.license"] = "its card names none: ask its makers before you publish it"
    if place.quantization != "none":
        found["model.quantization"] = f"unquantized it doesn't fit {place.hardware}; the others: none, int8, int4"
    if config.thinking.default:
        found["thinking"] = f"the choices of its chat template: {', '.join(facts.thinking[0])}"
    for name in makers.sampling(facts.generation)[1]:
        found[f"sampling.{name}"] = f"the makers' ({makers.FILE}){ZERO.get(name, '')}"
    if config.limits.prompt_tokens + config.sampling.max_new_tokens.max == facts.window:
        found["limits.prompt_tokens"] = f"what the longest reply leaves of the context window, {facts.window} tokens"
    return found | (_gpu(facts, place) if place.hardware == ZEROGPU and not place.on_cpu else {})


def _gpu(facts: Facts, place: Place) -> dict[str, str]:
    found = {
        "gpu.tokens_per_second": f"estimated: {_per_token(facts, place)}; measure it on your Space",
        "gpu.prompt_tokens_per_second": "estimated",
    }
    if place.xlarge:
        found["gpu.size"] = "48 GB don't hold it: 96 GB, at twice the quota"
    return found


def _holds(place: Place) -> str:
    room = XLARGE_GB if place.xlarge else HARDWARE[place.hardware]
    whole = " (xlarge, at twice the quota)" if place.xlarge else ""
    return f"{room} GB{whole}, for {place.need}"


def _per_token(facts: Facts, place: Place) -> str:
    count = facts.parameters
    share = active_share(count, facts.shape)
    read = shown(place.need.weights * share, DECIMAL)
    if share < 1:
        return f"a token reads {shown(count * share, PARAMETERS)} of {shown(count, PARAMETERS)} parameters, {read}"
    return f"a token reads {read} of weights"


def decided(facts: Facts, place: Place, config: Config, because: str) -> list[str]:
    """The choices, a line for each."""
    most, gpu = config.sampling.max_new_tokens, config.gpu
    lines = [
        f"task: {config.task}, since {because}",
        f"hardware: {place.hardware}, with {_holds(place)}",
        f"weights: {_weights(facts, place)}",
        f"revision: {(facts.info.sha or '')[:7]}, licence: {facts.licence or 'none named'}",
        f"replies: {most.default} tokens, {most.max} at most, after prompts of {config.limits.prompt_tokens}",
        f"sampling: {_sampling(facts, config)}",
    ]
    if config.thinking.default:
        lines.append(f"thinking: {config.thinking.default}, of {', '.join(facts.thinking[0])}")
    if place.hardware == ZEROGPU:
        lines.append(f"speed: about {gpu.tokens_per_second:g} tokens/s, {gpu.max_seconds} s of GPU at most for a reply")
    if facts.gated:
        lines.append("access: gated or private, so the Space needs a secret HF_TOKEN")
    return lines


def _weights(facts: Facts, place: Place) -> str:
    if place.file:
        return f"{place.file}, by llama.cpp"
    if place.quantization != "none":
        return f"{place.quantization}, made while it loads"
    if facts.quantized and is_unpacked(facts.quantized, place.hardware):
        return f"in {facts.quantized}, unpacked to bfloat16 while it loads"
    return f"as they are, in {facts.quantized}" if facts.quantized else "as they are"


def _sampling(facts: Facts, config: Config) -> str:
    _, said = makers.sampling(facts.generation)
    values = {name: getattr(config.sampling, name).default for name in ("temperature", "top_p", "top_k")}
    origin = "the makers'" if said else "usual values, since its makers name none"
    return f"{', '.join(f'{name} {value:g}' for name, value in values.items())} ({origin})"


def about(facts: Facts, place: Place, adapter: Facts | None) -> str:
    """The comment above the keys."""
    named = f"The LoRA adapter {adapter.name} on {facts.name}" if adapter else facts.name
    where = "ZeroGPU" if place.hardware == ZEROGPU else place.hardware
    count = f"{shown(facts.parameters, PARAMETERS)} parameters, " if facts.parameters else ""
    size = shown(place.need.weights if place.file else stored(facts.info), DECIMAL)
    return f"{named} for {where}, {'gated' if facts.gated else 'not gated'}: {count}{size} to download."
