"""What a model's context window leaves of a config's limits, told at start; `context` computes it."""

from __future__ import annotations

import logging

from streamspace.config.types import Config
from streamspace.errors import ModelError, RequestError
from streamspace.events import Request
from streamspace.model import context
from streamspace.model.context import Fit
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation, Prompts
from streamspace.sampling import SamplingParams

SHORT = SamplingParams(max_new_tokens=2, temperature=0, seed=0)  # a batch keeps what was read for one that goes on
log = logging.getLogger(__name__)


def fit(config: Config, window: int) -> Fit:
    """The limits as they fit the window, with a line in the log where that is less than the config asks for."""
    found = context.fit(config, window)
    if found.problem:
        log.warning("%s. Until then, replies and prompts are as short as that. %s", found.problem, found.advice)
    return found


def beginning(config: Config, prompts: Prompts, fit: Fit) -> Request | None:
    """A request that begins as all conversations do, with the system prompt, for engines that read that once for all.

    None without conversations. Raises ModelError where the system prompt alone takes the room of a prompt.
    """
    if config.task != "chat":
        return None
    try:
        return prompts.chat(Conversation(config.system_prompt, [Turn("user", "Hi")]), fit.max).request(SHORT)
    except RequestError as error:
        raise ModelError(
            f"system_prompt: expected less than {fit.prompt} tokens with the chat template, to leave a message room. "
            "Shorten it, or raise limits.prompt_tokens"
        ) from error
