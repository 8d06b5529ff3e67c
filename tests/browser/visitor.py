"""A visitor's window on the page, in a real browser: what is done there, and what is read; the tests say what is right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

PREFIX = "streamspace:/:"  # of what the page keeps, in a Space's own host
IDLE = """() => {
  const shown = (id) => document.getElementById(id)?.hidden === false;
  return shown("send") && !shown("stop") && !document.querySelector(".message.writing");
}"""


class Visitor:
    """One window on the page. It notes each error of a script, and each address outside the app that is asked for."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.problems: list[str] = []
        self.outside: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._note(request.url, url))
        page.goto(url)
        self.opened()

    def _note(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "blob:")):
            self.outside.append(asked)

    def opened(self) -> None:
        """Waits until the page is drawn and its way to the server is there."""
        self.page.wait_for_selector("#message")
        self.page.wait_for_function("['reply', 'model', 'measure'].every((name) => streamspace.parts[name])")

    def reload(self) -> None:
        """Loads the page again."""
        self.page.reload()
        self.opened()

    def say(self, text: str) -> None:
        """Sends a message."""
        self.page.fill("#message", text)
        self.page.click("#send")

    def ask(self, text: str) -> str:
        """Sends a message, and waits for the end of its reply, which is given back."""
        before = len(self.replies())
        self.say(text)
        self.wait(lambda: len(self.replies()) > before and self.idle())
        return self.replies()[-1]

    def replies(self) -> list[str]:
        """What the model answered; neither thoughts nor what the page says below."""
        found = (
            "found => found.map((each) => [...each.querySelectorAll('.answer')].map((a) => a.innerText).join('\\n'))"
        )
        return [str(text).strip() for text in self.page.eval_on_selector_all(".message.assistant", found)]

    def questions(self) -> list[str]:
        """The visitor's own messages."""
        return [str(text) for text in self.page.locator(".message.user .body > .text").all_inner_texts()]

    def text(self, selector: str) -> str:
        """What is shown in the last of these elements."""
        return str(self.page.locator(selector).last.inner_text())

    def press(self, action: str, of: str = ".message >> nth=-1") -> None:
        """Clicks an action of a message, the last one by default."""
        self.page.locator(of).hover()
        self.page.locator(f"{of} >> [data-action={action}]").click()

    def menu(self, action: str, title: str = "") -> None:
        """Clicks an entry in the menu of a conversation, the first by default."""
        row = self.page.locator("#sidebar li[data-id]", has_text=title).first
        row.locator("[aria-haspopup=menu]").click()
        self.page.click(f".popup [data-action={action}]")

    def titles(self) -> list[str]:
        """The conversations in the sidebar."""
        return [str(text) for text in self.page.locator("#sidebar .open").all_text_contents()]

    def stored(self) -> list[dict[str, Any]]:
        """The conversations that this browser keeps, newest first."""
        kept = self.page.evaluate(
            f"Object.keys(localStorage).filter((key) => key.startsWith('{PREFIX}')).map((key) => localStorage[key])"
        )
        found = [each for each in map(json.loads, kept) if isinstance(each, dict) and "nodes" in each]
        return sorted(found, key=lambda each: -each["revised"])

    def idle(self) -> bool:
        """Whether no reply is being written, here or elsewhere."""
        return bool(self.page.evaluate(IDLE))

    def wait(self, what: Callable[[], Any], seconds: float = 30) -> None:
        """Waits until something holds."""
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, f"waited in vain; {self.page.inner_text('#app')!r}"
            self.page.wait_for_timeout(25)

    def run(self, script: str, given: Any = None) -> Any:
        """What a function of {modules, given} gives, where `modules` are the page's own by name."""
        return self.page.evaluate(
            f"""async (given) => {{
              const home = document.querySelector("script[src$='/app.js']").src;
              const names = ["conversation", "dom", "markdown", "messages", "store"];
              const found = await Promise.all(names.map((name) => import(new URL(`${{name}}.js`, home))));
              const modules = Object.fromEntries(names.map((name, at) => [name, found[at]]));
              return await ({script})(modules, given);
            }}""",
            given,
        )


def conversation(
    identity: str, *turns: tuple[str, str], revised: int = 1_700_000_000_000, **more: Any
) -> dict[str, Any]:
    """A conversation as the page keeps it, of questions and answers; without an answer, a question waits for one."""
    nodes: dict[str, Any] = {}
    leaf = None
    for at, (question, answer) in enumerate(turns):
        for role, text in (("user", question), ("assistant", answer)):
            if role == "assistant" and not text:
                continue
            name = f"{identity}-{at}-{role}"
            said = {"text": text, "files": []} if role == "user" else {"state": "done", "figures": "3 tokens"}
            parts = {} if role == "user" else {"parts": [{"kind": "answer", "text": text, "seconds": 0}]}
            base = {"id": name, "parent": leaf, "role": role, "created": revised + at, "revised": revised + at}
            nodes[name] = {**base, **said, **parts}
            leaf = name
    whole = {"id": identity, "title": "", "named": 0, "created": revised, "revised": revised, "leaf": leaf}
    return {**whole, "nodes": nodes, "system": None, "settings": {}, **more}


def kept(*conversations: dict[str, Any], opened: str = "") -> str:
    """A script that puts conversations into the browser's storage, once, and opens one of them."""
    writes = "".join(
        f"localStorage.setItem({json.dumps(PREFIX + each['id'])}, {json.dumps(json.dumps(each))});"
        for each in conversations
    )
    opens = f"sessionStorage.setItem({json.dumps(PREFIX + 'open')}, {json.dumps(opened)});" if opened else ""
    return f"if (!sessionStorage.done) {{ {writes} {opens} sessionStorage.done = 1; }}"
