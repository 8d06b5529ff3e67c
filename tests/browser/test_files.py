"""Files that a visitor attaches by button, drop or paste: chips, then folded in the message and read by the model."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.visitor import Visitor
from tests.running import App
from tests.standins.pdf_file import pdf

Visit = Callable[..., Visitor]
Given = dict[str, Any]
CSV = {"name": "prices.csv", "mimeType": "text/csv", "buffer": b"tea,2\ncoffee,3\n"}
PAPER = {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": pdf("What is ZeroGPU?", "Shared.")}
TRANSFER = """(target, [name, mime, content]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], name, { type: mime }));
  const event = %s;
  target.dispatchEvent(event);
}"""
DROP = TRANSFER % 'new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })'
PASTE = TRANSFER % 'new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })'


def encoded(file: Given) -> list[str]:
    return [file["name"], file["mimeType"], base64.b64encode(file["buffer"]).decode()]


def choose(visitor: Visitor, *files: Given) -> None:
    visitor.page.set_input_files("#composer input[type=file]", list(files))


def drop(visitor: Visitor, file: Given) -> None:
    visitor.page.locator("#conversation").evaluate(DROP, encoded(file))


def paste(visitor: Visitor, file: Given) -> None:
    visitor.page.locator("#message").evaluate(PASTE, encoded(file))


def chips(visitor: Visitor) -> list[str]:
    return [str(text) for text in visitor.page.locator(".chips li:not(.reading)").all_inner_texts()]


@pytest.mark.parametrize("attach", [choose, drop, paste])
@pytest.mark.parametrize(("file", "text"), [(CSV, "tea,2\ncoffee,3"), (PAPER, "What is ZeroGPU?\n\nShared.")])
def test_a_file_becomes_a_part_of_the_message(
    visit: Visit, scripted: App, attach: Callable[[Visitor, Given], None], file: Given, text: str
) -> None:
    visitor = visit(scripted)
    attach(visitor, file)
    visitor.wait(lambda: chips(visitor) == [file["name"]])
    visitor.page.fill("#message", "Sum it up")
    visitor.page.click("#send")
    visitor.wait(lambda: visitor.idle() and visitor.replies())
    assert chips(visitor) == []
    assert visitor.questions() == ["Sum it up"]
    folded = visitor.page.locator(".message.user details")
    assert folded.locator("summary").inner_text().strip().startswith(file["name"])
    assert not folded.evaluate("(part) => part.open")
    told = visitor.stored()[0]["nodes"]
    assert [node["files"][0]["text"].strip() for node in told.values() if node["role"] == "user"] == [text]
    for line in text.split():
        assert line in visitor.replies()[0]  # this model says back what it read
    assert visitor.problems == []


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ({**CSV, "name": "a.bin", "buffer": b"a\0b"}, "“a.bin” can't be attached: expected a file of text"),
        ({**CSV, "buffer": b"x" * 60_000}, "“prices.csv” is too long: 60,000 characters, and there is room for 20,000"),
        ({**PAPER, "buffer": b"no pdf"}, "“paper.pdf” can't be attached: expected a file of text"),
        ({**PAPER, "buffer": pdf("")}, "“paper.pdf” can't be attached: expected a file of text"),
        ({**PAPER, "buffer": pdf(*["x" * 900] * 30)}, "“paper.pdf” is too long: 20,001 characters, and there is room for 20,000"),
        ({**PAPER, "buffer": b" " * (8 * 2**20 + 1)}, "“paper.pdf” is too large: at most 8 MB"),
    ],
    ids=["binary", "long", "no-pdf", "no-text", "long-pdf", "large-pdf"],
)  # fmt: skip
def test_what_cannot_be_attached_is_told_by_its_name(visit: Visit, scripted: App, file: Given, words: str) -> None:
    visitor = visit(scripted)
    visitor.page.fill("#message", "a draft")
    choose(visitor, file)
    visitor.wait(lambda: visitor.text("#notice") == words)
    assert chips(visitor) == []
    assert visitor.page.input_value("#message") == "a draft"


def test_a_file_can_be_taken_back(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    choose(visitor, CSV, PAPER)
    visitor.wait(lambda: chips(visitor) == ["prices.csv", "paper.pdf"])
    visitor.page.locator(".chips button").first.click()
    assert chips(visitor) == ["paper.pdf"]
    assert visitor.page.evaluate("document.activeElement.id") == "message"


def test_what_a_file_takes_of_the_context_is_told_before_it_is_sent(visit: Visit, app: App) -> None:
    visitor = visit(app)
    visitor.page.fill("#message", "Sum it up")
    visitor.wait(lambda: visitor.text("#measure"))
    [alone, room] = map(number, visitor.text("#measure").split(" of "))
    choose(visitor, CSV)
    visitor.wait(lambda: number(visitor.text("#measure").split(" of ")[0]) > alone + 5)
    assert number(visitor.text("#measure").split(" of ")[1]) == room
    choose(visitor, {**CSV, "name": "long.csv", "buffer": b"7 1 8 2 " * 1500})
    visitor.wait(lambda: visitor.text("#notice").startswith("This message is too long: "))
    assert "tokens with its instructions, and there is room for" in visitor.text("#notice")
    assert visitor.text("#measure") == ""


def number(words: str) -> int:
    return int(re.sub(r"\D", "", words))
