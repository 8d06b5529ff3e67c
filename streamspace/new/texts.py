"""The texts of a config that `new` writes: titles, descriptions and examples that suit the model and the task."""

from __future__ import annotations

from dataclasses import dataclass

from streamspace.checks.platform import SHORT_DESCRIPTION
from streamspace.new.facts import Facts

SORTS = ("completion", "image-chat", "adapter", "gguf", "code", "thinking", "chat")
LOOKS = {  # emoji and colours, as in the presets
    "chat": ("💬", "blue", "indigo"),
    "thinking": ("🧠", "indigo", "purple"),
    "code": ("💻", "gray", "blue"),
    "completion": ("✍️", "green", "blue"),
    "image-chat": ("🖼️", "purple", "pink"),
    "adapter": ("🧩", "blue", "indigo"),
    "gguf": ("🦙", "blue", "indigo"),
}
EXAMPLES = {
    "chat": [
        "Explain how a rainbow forms, to a ten-year-old",
        "Write a short story that begins with a lost key",
        "What should I cook with lentils, spinach and lemon?",
    ],
    "thinking": [
        "A bat and a ball cost 1.10 together, and the bat costs 1 more than the ball. What does the ball cost?",
        "How many ways are there to climb six stairs, one or two at a time?",
        "Plan a week of dinners for two, with no dish twice and fish on Friday",
    ],
    "code": [
        "Write a Python function that merges two sorted lists",
        "What does this do? for i in range(10): print(i ** 2 % 7)",
        "Write a SQL query that finds each customer's latest order",
    ],
    "completion": [
        "Once upon a time, in a village by the sea,",
        "def fibonacci(n):",
        "The three laws of thermodynamics are",
    ],
    "image-chat": [
        "What can I ask about an image?",
        "How should I photograph a receipt so that it can be read?",
    ],
}  # fmt: skip
SAYS = {
    "completion": "goes on where you stop.",
    "image-chat": "looks at your images and answers as you watch. Images are deleted after a day.",
    "thinking": "thinks before it answers; its reasoning is shown apart.",
}
PLACEHOLDERS = {"completion": "Begin a text", "image-chat": "Attach an image, and ask about it"}
SHORT = {
    "completion": "{} continues your text",
    "image-chat": "{} reads your images, streaming",
    "thinking": "{}, with its reasoning shown apart",
}


@dataclass(frozen=True)
class Texts:
    """What visitors and the Hub's pages read, with the look that goes with it."""

    title: str
    short: str
    description: str
    placeholder: str
    examples: list[str]
    emoji: str
    colors: tuple[str, str]
    tag: str


def write(facts: Facts, task: str, adapter: Facts | None = None) -> Texts:
    """The texts for a model, or for an adapter on it."""
    named = adapter or facts
    label, sort = title(named.name), _sort(facts, task, adapter)
    says = SAYS.get(sort, SAYS["thinking"] if facts.thinks and task == "chat" else "answers as you watch.")
    if adapter:
        says = f"on [{title(facts.name)}](https://huggingface.co/{facts.name}) {says}"
    emoji, *colors = LOOKS[sort]
    return Texts(
        title=label,
        short=_short(label, sort),
        description=f"[{label}](https://huggingface.co/{named.name}) {says}",
        placeholder=PLACEHOLDERS.get(task, "Ask anything"),
        examples=EXAMPLES.get(sort, EXAMPLES["thinking" if facts.thinks else "chat"]),
        emoji=emoji,
        colors=(colors[0], colors[1]),
        tag="image-text-to-text" if task == "image-chat" else "text-generation",
    )


def title(name: str) -> str:
    """A model's name as a title: words with capitals are set apart, and a name in lower case stays whole."""
    own = name.rpartition("/")[2]
    return own if own.islower() else own.replace("-", " ").replace("_", " ")


def _sort(facts: Facts, task: str, adapter: Facts | None) -> str:
    code = any(word in facts.name.lower() for word in ("coder", "code", "devstral", "starcoder"))
    found = {task: task != "chat", "adapter": bool(adapter), "gguf": facts.is_gguf, "code": code}
    found |= {"thinking": facts.thinks}
    return next((sort for sort in SORTS if found.get(sort)), "chat")


def _short(label: str, sort: str) -> str:
    found = (form.format(label) for form in (SHORT.get(sort, "{}, streaming"), "{}, streaming", "{}"))
    return next((text for text in found if len(text) <= SHORT_DESCRIPTION), label[:SHORT_DESCRIPTION].rstrip())
