"""Every error that a person may read, as one small tree; a message says what was found, expected and is to be done.

StreamspaceError
├── UsageError              an option of the command line, or the folder that it runs in
├── ConfigError             the YAML file: all its problems at once
├── DeviceError             the machine has not what the config asks for
├── ModelError              the model can't be loaded or used
├── RequestError            the visitor's message or parameters
│   ├── AccessError         a client without the Space's key, a visitor who has to sign in
│   └── BusyError           nothing is wrong with them: the same request may succeed later
│       ├── LimitError      when this visitor has asked for less
│       ├── ClosingError    on the server that takes this one's place
│       └── EndedError      once the model's process is started again
├── GenerationError         the model failed while it was answering
├── GpuError                ZeroGPU refused or ended the call
│   └── QuotaError          the visitor's GPU time is used up
├── ResolutionUnavailable   pip or the package index can't be asked
└── DeployError             the Hub refused a step, or the Space doesn't run or answer

Anything else that is raised is a defect of ours: the visitor reads `unexpected()`, and the log has its
`redacted_trace`.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from pathlib import PurePath

from streamspace.foreign import clean
from streamspace.i18n import LazyText, t

log = logging.getLogger(__name__)


class StreamspaceError(Exception):
    """Its text is written for a person and is safe to show: it holds no prompt, no token and no path of a secret.

    One that a visitor may read is made of a `LazyText`, and can be said in the visitor's language. `detail` is what
    another library says, which may name folders or quote a file: it is for the owner's log.
    """

    def __init__(self, *text: str, detail: str = "") -> None:
        super().__init__(*text)
        self.detail = detail

    def in_language(self, language: str) -> str:
        """The text in a language; in English where there is no other."""
        text = self.args[0] if self.args else ""
        return text.in_language(language) if isinstance(text, LazyText) else str(text)


class UsageError(StreamspaceError):
    """A command that can't be carried out as typed."""


class ConfigError(StreamspaceError):
    """A config file that can't be used; `problems` holds one `file: dotted.key: expected X, got Y` each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class DeviceError(StreamspaceError):
    """The device that the config asks for isn't there."""


class ModelError(StreamspaceError):
    """The model can't be loaded or can't do what the config asks of it."""


class RequestError(StreamspaceError):
    """A message, a history or a parameter that is refused before the model is asked."""


class AccessError(RequestError):
    """A client without the Space's key, or a visitor who isn't signed in, or with an account that isn't let in."""


class BusyError(RequestError):
    """A request that is refused now and may be taken in `retry_after` seconds."""

    def __init__(self, *text: str, retry_after: int = 5) -> None:
        super().__init__(*text)
        self.retry_after = retry_after


class LimitError(BusyError):
    """A visitor has had as much as the config allows for now."""


class ClosingError(BusyError):
    """The server is ending: a request is refused, or a reply cut. Another server may take its place."""

    def __init__(self, *text: str) -> None:
        super().__init__(*text, retry_after=30)


class EndedError(BusyError):
    """The model's process has ended before it was asked for this reply, and is being started again."""


class GenerationError(StreamspaceError):
    """The model failed in the middle of a reply."""


class GpuError(StreamspaceError):
    """ZeroGPU refused the call (quota, duration, queue) or ended it."""


class QuotaError(GpuError):
    """The visitor's GPU time is used up, or too little for this reply."""


class ResolutionUnavailable(StreamspaceError):
    """Nobody can say now whether requirements can be installed: pip is missing, or the index can't be reached."""


class DeployError(StreamspaceError):
    """The Hub refused a step of a deploy, or the Space doesn't run or doesn't answer."""


def first_line(error: Exception | str) -> str:
    """What another library's exception says, cleaned, and short enough to quote within a sentence."""
    text = str(error).strip() or type(error).__name__
    return clean(text.splitlines()[0][:300]).rstrip(".")


def unexpected() -> LazyText:
    """What the visitor reads of a defect."""
    return t("error.unexpected")


def told(error: Exception) -> StreamspaceError:
    """What may be told of an error that ended a reply. The log has the place of one that isn't ours."""
    if isinstance(error, StreamspaceError):
        return error
    log.error("A reply failed: %s", redacted_trace(error))
    return StreamspaceError(unexpected())


def redacted_trace(error: BaseException) -> str:
    """What the log reads of a defect: its type and the calls that led to it, innermost first, then those of its cause.

    Not its message, which may quote what a visitor typed.
    """
    calls = [
        f"{'/'.join(PurePath(call.filename).parts[-2:])}:{call.lineno} {call.name}"
        for call in reversed(traceback.extract_tb(error.__traceback__, limit=-6))
    ]
    told = f"{type(error).__name__} at {' < '.join(calls)}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{told}; after {redacted_trace(cause)}" if cause else told
