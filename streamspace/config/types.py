"""The types of a config file: every key, its default, its bounds and its meaning. `file` reads one from disk.

The keys of `model`, `sampling`, `access`, `limits` and `endpoint` are in modules of their own. The JSON Schema for
editors and the table in docs/configuration.md are generated from the descriptions.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from streamspace.config.access import Access
from streamspace.config.base import Part, Text, broken
from streamspace.config.engines import KINDS, EngineName
from streamspace.config.limits import Limits
from streamspace.config.model import Model
from streamspace.config.ranges import SamplingLimits
from streamspace.config.server import Endpoint

Color = Literal["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]

# A free account's whole daily quota is 300 s, and what a call asks for counts 1.5 times (hub docs, "ZeroGPU", 2026-09).
LONGEST_GPU_SECONDS = 200


class Card(Part):
    """How the Space presents itself on the Hub."""

    title: Text = Field(description="Name on the Space's card.")
    emoji: Text = Field("💬", description="One emoji for the card.")
    color_from: Color = Field("blue", description="First colour of the card's gradient.")
    color_to: Color = Field("indigo", description="Second colour of the card's gradient.")
    short_description: str = Field("", max_length=60, description="One line under the title, 60 characters at most.")
    license: Text = Field("apache-2.0", description="Licence of the Space's code, as a Hub identifier.")
    tags: list[Text] = Field([], description="Tags for the Hub's search.")
    pinned: bool = Field(False, description="Pin the Space on its owner's profile.")
    hardware: Text = Field(
        "zero-a10g", description="Hardware that a deploy requests, for example zero-a10g or cpu-basic."
    )
    sleep_minutes: int | None = Field(
        None,
        ge=5,
        le=10_080,
        description="Minutes without a visitor after which paid hardware sleeps, and costs nothing; null: never.",
    )
    replicas: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Copies of the Space on paid hardware, each of which is paid; `null`: as many as there are.",
    )
    visibility: Literal["public", "protected", "private"] | None = Field(
        None,
        description="`public`, `protected` (the app is public, its files are not) or `private`; `null`: public when it "
        "is created, and then as it is.",
    )
    preload: bool = Field(
        True,
        description="Download the model during the build; false for a gated model, which the build can't read.",
    )


class Page(Part):
    """What the visitor sees."""

    title: Text = Field(description="Heading of the page and title of the browser's tab.")
    description: str = Field("", description="One or two sentences under the heading, in Markdown.")
    placeholder: str = Field("Ask anything", description="Placeholder of the text box.")
    examples: list[Text] = Field([], max_length=8, description="Prompts shown while the conversation is empty.")
    accent: Color = Field("blue", description="Colour of the buttons and links.")
    logo: Text | None = Field(
        None, description="A PNG, JPEG, WebP or GIF file of the repository, shown beside the title."
    )
    footer: str = Field("", description="A line below the page, in Markdown, for example a privacy notice.")
    width: int = Field(736, ge=480, le=1600, description="Maximum width of the conversation's text, in CSS pixels.")


class Doors(Part):
    """Ways to the model besides the page and Gradio's API; each takes the same requests, in its own form."""

    openai: bool = Field(True, description="OpenAI's API: `/v1/chat/completions`, `/v1/completions`, `/v1/models`.")
    mcp: bool = Field(True, description="MCP: a tool for agents, at `/mcp`.")
    metrics: bool = Field(
        False, description="How replies go, for Prometheus, at `/metrics`; without `access.key` anyone can read it."
    )


def _choice(value: object) -> object:
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value  # YAML reads on as true


class Thinking(Part):
    """Whether, and how hard, the model thinks before it answers, where its chat template has a choice."""

    default: Annotated[Literal["off", "on", "low", "medium", "high", "max"] | None, BeforeValidator(_choice)] = Field(
        None,
        description="`off`, `on`, `low`, `medium`, `high` or `max`, as far as the model has it; `null`: it thinks. A "
        "server is told only if this is set.",
    )


class Gpu(Part):
    """ZeroGPU: the seconds a reply asks for, computed from its prompt and `max_new_tokens`. Ignored elsewhere."""

    min_seconds: int = Field(10, ge=1, le=LONGEST_GPU_SECONDS, description="Minimum GPU time of a reply, in seconds.")
    max_seconds: int = Field(
        60,
        ge=1,
        le=LONGEST_GPU_SECONDS,
        description="Maximum GPU time of a reply, in seconds; a longer reply ends early, with Continue.",
    )
    prompt_tokens_per_second: float = Field(2000.0, gt=0, description="Prefill speed, in tokens per second.")
    tokens_per_second: float = Field(
        25.0, gt=0, description="Decoding speed, in tokens per second; measure it on the Space."
    )
    size: Literal["auto", "large", "xlarge"] = Field(
        "auto",
        description="`large`: 48 GB; `xlarge`: 96 GB, at twice the quota; `auto` depends on the size of the weights.",
    )

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise broken("min_seconds", f"at most max_seconds, which is {self.max_seconds}", self.min_seconds)
        return self


class Config(Part):
    """A whole config file."""

    card: Card = Field(description=Card.__doc__)
    page: Page = Field(description=Page.__doc__)
    task: Literal["chat", "completion", "image-chat"] = Field(
        "chat",
        description="`chat` needs a chat template; `completion` continues a text; `image-chat` needs a model that "
        "reads images.",
    )
    engine: EngineName = Field(
        "auto",
        description=f"What runs the model: {KINDS}; `auto` takes what suits the machine.",
    )
    endpoint: Endpoint | None = Field(None, description=Endpoint.__doc__)
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Device of the model; `auto` prefers a GPU."
    )
    model: Model = Field(description=Model.__doc__)
    system_prompt: str = Field("", max_length=20_000, description="Instructions to the model before the conversation.")
    thinking: Thinking = Field(Thinking(), description=Thinking.__doc__)
    sampling: SamplingLimits = Field(SamplingLimits(), description=SamplingLimits.__doc__)
    doors: Doors = Field(Doors(), description=Doors.__doc__)
    access: Access = Field(Access(), description=Access.__doc__)
    limits: Limits = Field(Limits(), description=Limits.__doc__)
    gpu: Gpu = Field(Gpu(), description=Gpu.__doc__)

    def needed(self) -> dict[str, tuple[str, str]]:
        """The secrets that a Space needs: by the key that names one, its name and what it holds."""
        found = {"endpoint.secret": (self.endpoint.secret, "the server's key")} if self.endpoint else {}
        return found | ({"access.key": (self.access.key, "the key that clients send")} if self.access.key else {})

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
        if self.engine == "llamacpp" and not self.model.gguf:
            raise broken("model.file", "the name of a .gguf file for engine: llamacpp", None)
        if self.model.gguf:
            self._only_what_applies_to_gguf()
        if self.engine == "batching" and self.task == "image-chat":
            raise broken("engine", "auto or generate for image-chat, whose replies can't be batched", self.engine)
        return self

    def _only_what_applies_to_gguf(self) -> None:
        """A GGUF file brings its number format, and is read for conversations of text."""
        model, transformers = self.model, self.engine in ("generate", "batching")
        if self.endpoint:
            raise broken("endpoint", "null with model.file, which is loaded here", "a server")
        if self.task != "chat":
            raise broken("task", "chat with model.file, which is read for conversations of text", self.task)
        for name in ("quantization", "adapter", "trust_remote_code", *(() if transformers else ("dtype", "attention"))):
            value, neutral = getattr(model, name), Model.model_fields[name].default
            if value != neutral:
                got = dict(value) if isinstance(value, Part) else value
                expected = {None: "null", False: "false"}.get(neutral, neutral)
                raise broken(f"model.{name}", f"{expected} with model.file, whose weights are used as they are", got)
