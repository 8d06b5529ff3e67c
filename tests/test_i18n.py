"""The texts in every language: complete, alike, and said to the visitor whose language it is."""

from __future__ import annotations

import ast
import pickle
import re
from string import Formatter

import pytest

from streamspace import i18n
from streamspace.errors import RequestError
from streamspace.i18n import FOLDER, LANGUAGES, LazyText, language_of, t, translate
from streamspace.sampling import PARAMETERS
from tests.running import ROOT

OTHERS = sorted(set(LANGUAGES) - {"en"})
# The settings that a text names; what isn't here is the name of a parameter of the API, for its clients alone.
NAMING = {
    "max_new_tokens": {"too_many_tokens", "no_room", "gpu_too_little", "gpu_duration", "model_memory"},
    "system_prompt": {"system_prompt"}, "thinking": {"thinking"}, "seed": {"seed"},
}  # fmt: skip


def places(text: str) -> list[tuple[str, str, str]]:
    """The names in braces, and how their values are to be written."""
    return sorted((name, str(form), str(how)) for _, name, form, how in Formatter().parse(text) if name)


def test_there_is_a_file_for_each_language_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(["en", *OTHERS])


@pytest.mark.parametrize("name", OTHERS)
def test_each_language_has_the_same_texts_with_the_same_places(name: str) -> None:
    english, other = i18n.catalog("en"), i18n.catalog(name)
    assert list(other) == list(english)  # in the same order, too
    assert {key: places(text) for key, text in other.items()} == {key: places(text) for key, text in english.items()}


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_left_in_english(name: str) -> None:
    same = {key for key, text in i18n.catalog(name).items() if text == i18n.catalog("en")[key] and " " in text}
    assert same <= {"error.several", "reply.speed", "page.seconds"}


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_error_calls_a_setting_as_the_page_does(name: str) -> None:
    texts = {key: re.sub("[（）]", lambda bracket: {"（": " (", "）": ")"}[bracket[0]], text).casefold()
             for key, text in i18n.catalog(name).items()}  # fmt: skip
    for setting, keys in NAMING.items():
        label = texts[f"page.{setting}"]
        words = setting if label == setting else rf"{re.escape(label)} ?\({setting}\)"
        assert [key for key in sorted(keys) if not re.search(words, texts[f"error.{key}"])] == []


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_text_calls_a_button_by_what_is_written_on_it(name: str) -> None:
    texts = i18n.catalog(name)
    for key in ("status.length", "status.timeout", "error.gpu_lost"):
        assert texts["page.continue"] in texts[key]
    assert texts["page.api"] in texts["error.values"]


def test_each_language_has_its_own_spaces_around_marks() -> None:
    assert [text for text in i18n.catalog("de").values() if re.search(r"\S…", text)] == []
    assert [text for text in i18n.catalog("fr").values() if re.search(r" [:;?!»…]|« ", text)] == []  # not to be broken
    for name in {*OTHERS, "en"} - {"de", "fr"}:
        assert [text for text in i18n.catalog(name).values() if re.search(r"\s[:;?!…]|\.\.\.|……", text)] == []


@pytest.mark.parametrize("name", ["en", "de", "es", "fr", "hi", "pt"])
@pytest.mark.parametrize("key", ["limit_minute", "limit_at_once", "dropped_messages", "dropped_images", "file_many"])
def test_a_number_that_may_be_1_stands_where_no_word_depends_on_it(name: str, key: str) -> None:
    (text,) = (text for full, text in i18n.catalog(name).items() if full.endswith(f".{key}"))
    counted = key.startswith("limit_") and name == "hi"  # whose words for messages and replies have one form
    assert counted or re.search(r": \{(most|messages|images)\b", text)


def test_every_text_that_the_code_says_exists_and_every_text_is_said() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "streamspace").rglob("*.[pj][ys]"))
    said = set(re.findall(r"\"((?:status|reply|error)\.\w+)\"", sources))
    said |= {f"page.{key}" for key in re.findall(r"\b(?:label|t)\(\"(\w+)\"", sources)}
    known = set(i18n.catalog("en"))
    assert said <= known
    said |= {f"page.{key}" for key in re.findall(r"\"(\w+)\"", sources)}  # the page's modules hand on a label's key
    made = r"numbers\.|status\.(length|cancelled|timeout|loading|waiting|prefill|decode|dropped_\w+)$|page\.thinking_"
    settings = {f"page.{each.name}{end}" for each in PARAMETERS for end in ("", "_info")}
    assert {key for key in known - said - settings if not re.match(made, key)} == set()


def test_a_phrase_is_its_english_text() -> None:
    phrase = t("error.too_many_characters", characters=4001, most=4000)
    assert phrase == "This message is too long: 4,001 characters, and this Space takes 4,000. Shorten it"
    assert str(RequestError(phrase)) == phrase


def test_a_phrase_is_said_in_another_language_with_its_marks_in_numbers() -> None:
    phrase = t("error.too_many_characters", characters=4001, most=4000)
    assert (
        phrase.in_language("de")
        == "Diese Nachricht ist zu lang: 4.001 Zeichen, und dieser Space nimmt 4.000. Kürzen Sie sie"
    )
    assert RequestError(phrase).in_language("de") == phrase.in_language("de")
    figures = t("reply.figures", tokens=9, first=0.25, speed=t("reply.speed", speed=31.4))
    assert figures.in_language("fr") == "9 tokens, le premier après 0,25 s, 31 tokens/s"


def test_a_phrase_within_a_phrase_is_translated_with_it() -> None:
    problem = t("error.several", first=t("error.empty"), next=t("error.gpu_none"))
    assert problem.in_language("de") == f"{t('error.empty').in_language('de')}; {t('error.gpu_none').in_language('de')}"


def test_a_phrase_survives_the_way_between_two_processes() -> None:
    phrase = t("error.content", where="history[0]", found=t("error.nothing"))
    arrived = pickle.loads(pickle.dumps(phrase))
    assert isinstance(arrived, LazyText)
    assert (arrived, arrived.in_language("es")) == (phrase, phrase.in_language("es"))


def test_what_is_not_a_phrase_stays_as_it_is() -> None:
    assert translate("the device is on fire", "de") == "the device is on fire"
    assert RequestError("plain").in_language("de") == "plain"
    assert RequestError().in_language("de") == ""


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("de-CH,de;q=0.9,en;q=0.8", "de"), ("fr", "fr"), ("es-419,es;q=0.9", "es"), ("ja", "ja"), ("zh-CN,zh;q=0.9", "zh"),
        ("zh-tw", "zh"), ("zh-Hans-SG", "zh"), ("EN-us", "en"), ("pt-BR", "pt"), ("pt-PT,pt;q=0.9", "pt"), ("ar-EG", "ar"),
        ("ko-KR", "ko"), ("hi-IN", "hi"), ("nl-NL, nl;q=0.9, es;q=0.8, de;q=0.7", "es"), ("fil-PH", "en"), ("*", "en"),
        ("", "en"), (None, "en"), ("<b>", "en"),
    ],
)  # fmt: skip
def test_the_first_language_that_there_is_a_file_for_is_taken_or_else_english(
    header: str | None, expected: str
) -> None:
    assert language_of(header) == expected


def test_no_text_is_read_before_it_is_needed() -> None:
    tree = ast.parse((ROOT / "streamspace/i18n.py").read_text("utf-8"))
    calls = [node for statement in tree.body if not isinstance(statement, ast.FunctionDef | ast.ClassDef)
             for node in ast.walk(statement) if isinstance(node, ast.Call)]  # fmt: skip
    assert [ast.unparse(call.func) for call in calls] == ["Path(__file__).with_name", "Path"]


def test_the_browser_gets_the_texts_of_the_page() -> None:
    assert i18n.of_page("de")["send"] == "Senden"
    assert "error.empty" not in i18n.of_page("de")
