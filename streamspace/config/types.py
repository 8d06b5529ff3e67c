"""The types of a config file: every key, its default, its bounds and its meaning. `configfile` reads one from disk.

The JSON Schema for editors and the table in docs/configuration.md are generated from the descriptions.
"""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from streamspace import gguf
from streamspace.config import secrets
from streamspace.config.engines import KINDS, EngineName
from streamspace.repository import ROOT, is_local
from streamspace.sampling import PARAMETERS, Parameter

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


def part_of(field: FieldInfo) -> type[BaseModel] | None:
    """The type of a field's mapping of keys; None where it holds something else."""
    kinds = [field.annotation, *typing.get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


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
    width: int = Field(920, ge=480, le=1600, description="Maximum page width, in CSS pixels.")


def _gguf(name: str) -> str:
    if not name.endswith(".gguf") or name.startswith(("/", "~")) or ".." in name.split("/"):
        raise broken("", "the path of a .gguf file in the repository or folder model.id", name)
    if not gguf.is_first(name):
        raise broken("", f"the first file of a split model, {gguf.parts(name)[0]!r}", name)
    return name


class Adapter(Part):
    """A LoRA adapter that goes on top of the model (needs the `peft` package)."""

    id: Text = Field(description="Hub repository or local folder of the adapter.")
    revision: Text | None = Field(None, description="Branch, tag or commit of the adapter.")


class Model(Part):
    """Which model, and how its weights are loaded."""

    id: Text = Field(description="Hub repository (`owner/name`) or local folder (`./models/tiny`).")
    revision: Text | None = Field(None, description="Branch, tag or commit; a commit keeps the model from changing.")
    file: Annotated[str, AfterValidator(_gguf)] | None = Field(
        None,
        description="A `.gguf` file of the repository or folder, which llama.cpp runs; of a split model, the first.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights; `auto` depends on the device."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3"] = Field(
        "auto", description="Attention implementation; `auto` is transformers' choice."
    )
    license: str = Field("", description="The model's licence, shown below the page with its name.")
    adapter: Adapter | None = Field(None, description="LoRA adapter on top of the model.")
    quantization: Literal["none", "int8", "int4"] = Field(
        "none",
        description="`int8` or `int4`: quantize the linear layers while loading. All but `int8` on a CPU need the "
        "`bitsandbytes` package. Use `none` for weights that are already quantized.",
    )
    chat_template: Text | None = Field(
        None, description="A `.jinja` file of the repository that replaces the model's own chat template."
    )
    trust_remote_code: bool = Field(
        False, description="Run Python code from the model's repository. Requires a commit as `revision`."
    )

    @property
    def gguf(self) -> str | None:
        """The GGUF file to load: `file`, or the only one at a local path that has no other weights."""
        if self.file or not is_local(self.id):
            return self.file
        try:
            local = ROOT / Path(self.id).expanduser()
            if local.is_file():
                return local.name
            found = [file.name for file in local.glob("*.gguf") if gguf.is_first(file.name)]
            return found[0] if len(found) == 1 and not any(local.glob("*.safetensors")) else None
        except (OSError, RuntimeError):  # no path, or of nobody's home: `paths` says so
            return None

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


def _limits(parameter: Parameter) -> Any:
    """A parameter's field in SamplingLimits: its type and its default."""
    kind: type[Range] = IntRange if parameter.is_int else Range
    default = kind(default=parameter.default, min=parameter.min, max=parameter.max)
    bounded = Annotated[kind, within(parameter.low, parameter.high)]  # type: ignore[valid-type]
    return bounded, Field(default, description=parameter.description)


_Limits: Any = create_model("_Limits", __base__=Part, **{each.name: _limits(each) for each in PARAMETERS})


class SamplingLimits(_Limits):
    """How the next token is chosen: what a reply uses by default, and how far the visitor may go."""

    if TYPE_CHECKING:  # of the fields made from PARAMETERS, the one that other modules read by name

        @property
        def max_new_tokens(self) -> IntRange: ...

    seed: int | None = Field(
        None, ge=0, le=MAX_SEED, description="Seed of the sampling; `null`: a new seed for each reply."
    )
    stop: list[Text] = Field([], max_length=8, description="Strings that end the reply; they are not shown.")


class Limits(Part):
    """What one visitor, and all of them together, may ask of the Space."""

    prompt_characters: int = Field(8000, ge=1, le=1_000_000, description="Maximum message length, in characters.")
    prompt_tokens: int = Field(
        4096,
        ge=16,
        le=1_000_000,
        description="Maximum prompt length, in tokens; the oldest messages are dropped to fit.",
    )
    turns: int = Field(50, ge=1, le=1000, description="Maximum number of earlier messages in the prompt.")
    queue: int = Field(32, ge=1, le=10_000, description="Maximum number of waiting visitors; more get an error.")
    concurrency: int = Field(
        4,
        ge=1,
        le=256,
        description="Concurrent replies, if the engine supports it; `generate` supports 1 outside ZeroGPU.",
    )
    images: int = Field(
        4, ge=1, le=32, description="`image-chat`: maximum number of images in a conversation; the oldest are dropped."
    )
    image_pixels: int = Field(
        1_048_576,
        ge=65_536,
        le=16_777_216,
        description="`image-chat`: maximum width times height of an image; larger ones are scaled down.",
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


def _address(url: str) -> str:
    url = url.strip()
    try:
        valid = re.fullmatch(r"https?://[!-~]+", url) and not re.search(r"[@?#\\]", url) and urlsplit(url).port != 0
    except ValueError:  # a port or an IPv6 address that is none
        valid = False
    if not valid:
        raise broken("", "an address that starts with https:// or http://, without a user, a key, ? and #", url)
    return url


def _secret(name: str) -> str:
    if not secrets.NAME.fullmatch(name):
        raise broken("", "HF_TOKEN, or a secret's name that begins with ENDPOINT_, such as ENDPOINT_KEY", name)
    return name


class Endpoint(Part):
    """The server that runs the model, for `engine: endpoint`; `model.id` is the model's name there."""

    url: Annotated[str, AfterValidator(_address)] | None = Field(
        None, description="URL that ends in `/v1`; `null`: Hugging Face's Inference Providers."
    )
    provider: Text = Field("auto", description="The Inference Provider, if `url` is `null`.")
    secret: Annotated[str, AfterValidator(_secret)] = Field(
        "ENDPOINT_KEY",
        description="Name of the Space's secret with the server's key. It begins with `ENDPOINT_`, or is `HF_TOKEN`, "
        "which is sent to huggingface.co only.",
    )
    timeout: float = Field(60.0, gt=0, le=600, description="Seconds without data until the request fails.")

    @model_validator(mode="after")
    def _the_secret_may_go_there(self) -> Self:
        if not secrets.goes_to(self.secret, self.url):
            raise broken("secret", "a name such as ENDPOINT_KEY for a server that isn't huggingface.co", self.secret)
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
