"""The types of a config file: every key, its default, its bounds and its meaning. `configfile` reads one from disk.

The JSON Schema for editors and the table in docs/configuration.md are generated from the descriptions.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from streamspace.config.engines import KINDS, EngineName

Color = Literal["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]
Text = Annotated[str, StringConstraints(min_length=1)]

# A free account's whole daily quota is 300 s, and what a call asks for counts 1.5 times (hub docs, "ZeroGPU", 2026-09).
LONGEST_GPU_SECONDS = 200
MAX_SEED = 2**31 - 1


def broken(key: str, expected: str, got: object) -> PydanticCustomError:
    """A rule between keys that doesn't hold, in the parts that `configfile` puts into its line."""
    return PydanticCustomError("rule", "expected {expected}, got {got}", {"key": key, "expected": expected, "got": got})


class Part(BaseModel):
    """A mapping of the file: keys it doesn't know are errors, and values are not coerced from other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Card(Part):
    """How the Space presents itself on the Hub."""

    title: Text = Field(description="Name on the Space's card.")
    emoji: Text = Field("💬", description="One emoji for the card.")
    color_from: Color = Field("blue", description="First colour of the card's gradient.")
    color_to: Color = Field("indigo", description="Second colour of the card's gradient.")
    short_description: str = Field(
        "", max_length=60, description="One line under the title; the Hub takes 60 characters."
    )
    license: Text = Field("apache-2.0", description="Licence of the Space's code, as a Hub identifier.")
    tags: list[Text] = Field([], description="Tags to be found by.")
    pinned: bool = Field(False, description="Pin the Space on its owner's profile.")
    hardware: Text = Field(
        "zero-a10g", description="Hardware that a deploy asks for, for example zero-a10g or cpu-basic."
    )
    preload: bool = Field(
        True,
        description="Download the model while the Space is built; off for a gated model, which the build can't read.",
    )


class Page(Part):
    """What the visitor sees."""

    title: Text = Field(description="Heading of the page and title of the browser's tab.")
    description: str = Field("", description="One or two sentences under the heading, in Markdown.")
    placeholder: str = Field("Ask anything", description="Grey text in the empty box.")
    examples: list[Text] = Field([], max_length=8, description="Prompts offered while the conversation is empty.")
    accent: Color = Field("blue", description="Colour of the buttons and links.")
    logo: Text | None = Field(None, description="An image file of the repository, shown beside the title.")
    footer: str = Field("", description="A line under the page, in Markdown, for example a note on privacy.")
    width: int = Field(920, ge=480, le=1600, description="Widest the page gets, in CSS pixels.")


class Adapter(Part):
    """A LoRA adapter that goes on top of the model (needs the `peft` package)."""

    id: Text = Field(description="Hub repository or local folder of the adapter.")
    revision: Text | None = Field(None, description="Branch, tag or commit of the adapter.")


class Model(Part):
    """Which model, and how its weights are loaded."""

    id: Text = Field(description="Hub repository (`owner/name`) or local folder (`./models/tiny`).")
    revision: Text | None = Field(None, description="Branch, tag or commit; pin a commit to be safe from changes.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights; `auto` suits the device."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3"] = Field(
        "auto", description="Attention implementation; `auto` is transformers' choice."
    )
    license: str = Field("", description="The model's licence, shown under the page beside its name.")
    adapter: Adapter | None = Field(None, description="LoRA adapter on top of the model.")
    quantization: Literal["none", "int8", "int4"] = Field(
        "none",
        description="`int8` or `int4`: fewer bits for the linear layers, made while loading. All but `int8` on a CPU "
        "needs the `bitsandbytes` package. Ready-quantized weights need `none`.",
    )
    chat_template: Text | None = Field(None, description="A `.jinja` file that replaces the model's own chat template.")
    trust_remote_code: bool = Field(
        False, description="Run Python code from the model's repository. Needs `revision` to be a commit."
    )

    @field_validator("trust_remote_code")
    @classmethod
    def _remote_code_is_pinned(cls, trusted: bool, info: ValidationInfo) -> bool:
        revision = info.data.get("revision")
        if trusted and not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
            raise broken("", "a full commit hash in model.revision, so that the code you read is what runs", revision)
        return trusted


class Range(Part):
    """A number that the visitor may choose within bounds."""

    default: float
    min: float
    max: float

    @model_validator(mode="after")
    def _default_lies_within(self) -> Self:
        if self.min > self.max:
            raise broken("min", f"at most max, which is {self.max:g}", self.min)
        if not self.min <= self.default <= self.max:
            raise broken("default", f"a value from min to max, {self.min:g} to {self.max:g}", self.default)
        return self


class IntRange(Range):
    """A whole number that the visitor may choose within bounds."""

    default: int  # type: ignore[assignment]
    min: int  # type: ignore[assignment]
    max: int  # type: ignore[assignment]


def within(low: float, high: float) -> AfterValidator:
    """The widest bounds that make sense for any model; a config chooses its own inside them."""

    def check(chosen: Range) -> Range:
        if chosen.min < low:
            raise broken("min", f"at least {low:g}", chosen.min)
        if chosen.max > high:
            raise broken("max", f"at most {high:g}", chosen.max)
        return chosen

    return AfterValidator(check)


class SamplingLimits(Part):
    """How the next token is chosen: what a reply uses by default, and how far the visitor may go."""

    max_new_tokens: Annotated[IntRange, within(1, 100_000)] = Field(
        IntRange(default=512, min=16, max=1024), description="Longest reply, in tokens."
    )
    temperature: Annotated[Range, within(0, 5)] = Field(
        Range(default=0.7, min=0.0, max=1.5), description="Randomness; 0 takes the likeliest token every time (greedy)."
    )
    top_p: Annotated[Range, within(0.01, 1)] = Field(
        Range(default=0.95, min=0.05, max=1.0),
        description="Sample from the likeliest tokens that add up to this; 1 is all.",
    )
    top_k: Annotated[IntRange, within(0, 100_000)] = Field(
        IntRange(default=50, min=0, max=200), description="Sample from this many of the likeliest tokens; 0 is all."
    )
    repetition_penalty: Annotated[Range, within(0.5, 5)] = Field(
        Range(default=1.0, min=1.0, max=1.5), description="Above 1 makes tokens that occurred before less likely."
    )
    seed: int | None = Field(
        None, ge=0, le=MAX_SEED, description="Fixes the random choices; empty draws a new seed each time."
    )
    stop: list[Text] = Field([], max_length=8, description="Texts that end the reply; they are not shown.")


class Limits(Part):
    """What one visitor, and all of them together, may ask of the Space."""

    prompt_characters: int = Field(8000, ge=1, le=1_000_000, description="Longest message, in characters.")
    prompt_tokens: int = Field(
        4096, ge=16, le=1_000_000, description="Longest prompt, in tokens; the oldest turns are left out to fit."
    )
    turns: int = Field(50, ge=1, le=1000, description="Most earlier messages of a conversation that are considered.")
    queue: int = Field(32, ge=1, le=10_000, description="Visitors that may wait; the next one is told that it is full.")
    concurrency: int = Field(
        4,
        ge=1,
        le=256,
        description="Replies at once, where the engine can (all but `generate` off ZeroGPU); else they take turns.",
    )
    images: int = Field(
        4, ge=1, le=32, description="`image-chat`: most images of a conversation; the oldest are left out."
    )
    image_pixels: int = Field(
        1_048_576,
        ge=65_536,
        le=16_777_216,
        description="`image-chat`: most pixels of an image, width times height; a larger one is scaled down.",
    )


class Gpu(Part):
    """ZeroGPU: the seconds a reply asks for, computed from its prompt and `max_new_tokens`. Ignored elsewhere."""

    min_seconds: int = Field(10, ge=1, le=LONGEST_GPU_SECONDS, description="Fewest GPU seconds a reply asks for.")
    max_seconds: int = Field(
        60,
        ge=1,
        le=LONGEST_GPU_SECONDS,
        description="Most GPU seconds; a reply that needs longer ends early, with Continue.",
    )
    prompt_tokens_per_second: float = Field(2000.0, gt=0, description="Prompt tokens the model reads per second.")
    tokens_per_second: float = Field(
        25.0, gt=0, description="Tokens the model writes per second; measure it on the Space."
    )
    size: Literal["auto", "large", "xlarge"] = Field(
        "auto", description="`large` is 48 GB; `xlarge` is 96 GB at twice the quota; `auto` follows the weights' size."
    )

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise broken("min_seconds", f"at most max_seconds, which is {self.max_seconds}", self.min_seconds)
        return self


def _address(url: str) -> str:
    if not re.match(r"https?://[^/\s]", url):
        raise broken("", "an address that starts with https:// or http://", url)
    return url


class Endpoint(Part):
    """The server that runs the model, for `engine: endpoint`; `model.id` is the model's name there."""

    url: Annotated[str, AfterValidator(_address)] | None = Field(
        None, description="Address up to and with `/v1`; empty asks Hugging Face's Inference Providers."
    )
    provider: Text = Field("auto", description="Which of the Inference Providers, where `url` is empty.")
    secret: Text = Field(
        "ENDPOINT_KEY",
        description="Name of the Space's secret that holds the server's key; HF_TOKEN for Hugging Face's.",
    )
    timeout: float = Field(60.0, gt=0, le=600, description="Seconds of silence after which the server is given up.")


class Config(Part):
    """A whole config file."""

    card: Card = Field(description=Card.__doc__)
    page: Page = Field(description=Page.__doc__)
    task: Literal["chat", "completion", "image-chat"] = Field(
        "chat",
        description="`chat` needs a chat template; `completion` continues raw text; `image-chat` needs a model that "
        "reads images.",
    )
    engine: EngineName = Field(
        "auto",
        description=f"What runs the model: {KINDS}; `auto` takes what suits the machine.",
    )
    endpoint: Endpoint | None = Field(None, description=Endpoint.__doc__)
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where the model runs; `auto` takes the best there is."
    )
    model: Model = Field(description=Model.__doc__)
    system_prompt: str = Field(
        "", max_length=20_000, description="Instructions given to the model before the conversation."
    )
    sampling: SamplingLimits = Field(SamplingLimits(), description=SamplingLimits.__doc__)
    limits: Limits = Field(Limits(), description=Limits.__doc__)
    gpu: Gpu = Field(Gpu(), description=Gpu.__doc__)

    @model_validator(mode="after")
    def _an_endpoint_is_given_where_it_is_asked_for(self) -> Self:
        if self.engine == "endpoint" and not self.endpoint:
            raise broken("endpoint", "a mapping with the server's url for engine: endpoint", None)
        if self.endpoint and self.engine in ("generate", "batching"):
            raise broken("engine", "endpoint or auto, since endpoint names a server", self.engine)
        if self.endpoint and self.task == "completion":
            raise broken("task", "chat with an endpoint, whose servers take conversations only", self.task)
        if self.endpoint and self.task == "image-chat":
            raise broken("task", "chat with an endpoint, to which no images are sent", self.task)
        if self.engine == "batching" and self.task == "image-chat":
            raise broken("engine", "auto or generate for image-chat, whose replies can't be batched", self.engine)
        return self
