"""Config files: every shipped one loads, and every mistake is told in one exact line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamspace.config import file as configfile
from streamspace.config import generated
from streamspace.config.types import Config
from streamspace.errors import ConfigError
from tests.running import ROOT, changed
from tests.standins.hub.checkout import Checkout

SHIPPED = sorted((ROOT / "config").glob("*.yaml"))


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "my.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        configfile.read(path)
    return [problem.removeprefix(f"{path}") for problem in caught.value.problems]


def broken(tmp_path: Path, **changes: Any) -> list[str]:
    return problems(
        tmp_path, yaml.safe_dump(changed({key.replace("__", "."): value for key, value in changes.items()}))
    )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_loads_and_opens_with_its_command(path: Path) -> None:
    config = configfile.read(path)
    lines = path.read_text("utf-8").splitlines()
    command = "make run" if path.stem == "tiny" else f"make run CONFIG=config/{path.name}"
    assert lines[0] == f"# {command}"
    assert lines[1] == "# yaml-language-server: $schema=schema.json"
    assert len(config.card.short_description) <= 60


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_is_complete(path: Path) -> None:
    data = yaml.safe_load(path.read_text("utf-8"))

    def missing(model: Any, found: dict[str, Any], where: str = "") -> list[str]:
        names = [f"{where}{name}" for name in model.model_fields if name not in found]
        for name, field in model.model_fields.items():
            if isinstance(found.get(name), dict) and hasattr(field.annotation, "model_fields"):
                names += missing(field.annotation, found[name], f"{name}.")
        return names

    assert missing(Config, data) in ([], ["endpoint"])


def test_the_presets_cover_what_people_fork_for() -> None:
    wanted = {"default", "tiny", "cpu", "reasoning", "gated", "completion", "adapter", "quantized"}
    assert wanted <= set(configfile.names())


def test_the_schema_and_the_table_of_keys_agree_with_the_types() -> None:
    assert generated.stale() == []


def test_a_clone_of_a_space_which_has_no_docs_generates_the_schema_only(tmp_path: Path) -> None:
    here = Checkout(tmp_path, None)
    (tmp_path / "config/schema.json").unlink()
    assert here.run("generate").out == "wrote config/schema.json\n"
    assert here.run("generate").out == ""


def test_a_file_of_config_that_lacks_keys_is_reported_and_completed(tmp_path: Path) -> None:
    here = Checkout(tmp_path, None)
    complete = (tmp_path / "config/cpu.yaml").read_text("utf-8")
    without = re.sub(r"  (footer|min_p):.*\n", "", complete)
    here.write("config/cpu.yaml", without)
    problem = "config/cpu.yaml: expected every key, got none for page.footer, sampling.min_p. Run: make format"
    found = here.run("check")
    assert found.code == 0
    assert f"warning: {problem}\n" in found.out
    assert here.run("generate").out == "wrote config/cpu.yaml\n"
    assert problem not in here.run("check").out
    assert yaml.safe_load((tmp_path / "config/cpu.yaml").read_text("utf-8")) == yaml.safe_load(complete)


@pytest.mark.parametrize("content", [b"card: [", b"\xff\xfe", b"- a list", b""])
def test_a_file_of_config_that_cannot_be_read_is_reported_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    here = Checkout(tmp_path, None)
    here.write("config/cpu.yaml", content)
    assert here.run("generate").out == ""
    assert (tmp_path / "config/cpu.yaml").read_bytes() == content
    found = here.run("check")
    assert found.code == 2
    assert found.err.startswith("config/cpu.yaml")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = broken(
        tmp_path,
        page__tilte="x",
        sampling__top_p={"default": 0.5, "min": 0.1, "max": 1.5},
        device="gpu",
        limits__queue="8",
    )
    assert found == [
        ": page.tilte: expected a known key, got 'tilte'; did you mean 'title'?",
        ": device: expected 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'",
        ": sampling.top_p.max: expected at most 1, got 1.5",
        ": limits.queue: expected a whole number, got '8'",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"modle": {}}, "modle: expected a known key, got 'modle'; did you mean 'model'?"),
        ({"model__id": 3}, "model.id: expected text, got 3. Put quotes around it"),
        ({"model__id": ""}, "model.id: expected text that is not empty, got ''"),
        ({"page__examples": "hello"}, "page.examples: expected a list, got 'hello'"),
        ({"page__width": 100}, "page.width: expected at least 480, got 100"),
        ({"limits": []}, "limits: expected a mapping of keys, got a list of 0"),
        ({"system_prompt": False}, "system_prompt: expected text, got false. Put quotes around it"),
        ({"sampling__seed": 1.5}, "sampling.seed: expected a whole number, got 1.5"),
        ({"sampling__seed": -1}, "sampling.seed: expected at least 0, got -1"),
        ({"gpu__max_seconds": 900}, "gpu.max_seconds: expected at most 200, got 900"),
        ({"gpu__min_seconds": 90}, "gpu.min_seconds: expected at most max_seconds, which is 60, got 90"),
        (
            {"sampling__temperature": {"default": 3.0, "min": 0.0, "max": 1.0}},
            "sampling.temperature.default: expected a value from min to max, 0 to 1, got 3",
        ),
        (
            {"sampling__max_new_tokens": {"default": 5, "min": 9, "max": 8}},
            "sampling.max_new_tokens.min: expected at most max, which is 8, got 9",
        ),
        (
            {"model__trust_remote_code": True, "model__revision": "main"},
            "model.trust_remote_code: expected a full commit hash in model.revision, "
            "so that the code you read is what runs, got 'main'",
        ),
        (
            {"card__short_description": "x" * 61},
            f"card.short_description: expected at most 60 characters, got '{'x' * 57}...' (61 characters)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_key_and_what_was_expected(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    assert broken(tmp_path, **changes) == [f": {line}"]


def test_a_missing_required_key_is_told_with_its_meaning(tmp_path: Path) -> None:
    data = changed({})
    del data["card"]["title"]
    expected = ": card.title: expected this required key (Name on the Space's card), got nothing"
    assert problems(tmp_path, yaml.safe_dump(data)) == [expected]


def test_an_empty_file_says_what_to_start_from(tmp_path: Path) -> None:
    expected = ": expected keys such as card, page and model, got an empty file. Start from config/default.yaml"
    assert problems(tmp_path, "# nothing\n") == [expected]


def test_yaml_that_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    assert problems(tmp_path, "card:\n  title: [one\npage: {}\n") == [
        ":3:5: expected YAML, got a list or mapping in brackets that isn't closed, or lacks a comma"
    ]


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "task: chat\ntask: completion\n") == [
        ":2:1: expected YAML, got the key 'task' a second time"
    ]


def test_yaml_is_data_and_never_code(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, "task: !!python/object/apply:os.system ['true']\n")
    assert "could not determine a constructor for the tag" in line


def test_a_missing_file_is_told_with_the_files_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        configfile.locate("tinny")
    known = ", ".join(configfile.names())
    assert str(caught.value) == (
        f"tinny: expected a config file, found none. Give a path, or one of config/: {known}; did you mean 'tiny'?"
    )


def test_the_environment_chooses_the_file() -> None:
    assert configfile.chosen({}) == ROOT / "config/default.yaml"
    assert configfile.chosen({"SPACE_CONFIG": "tiny"}) == ROOT / "config/tiny.yaml"
    assert configfile.chosen({"SPACE_CONFIG": "config/cpu.yaml"}).samefile(ROOT / "config/cpu.yaml")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"limits__queue": 1.5}, "limits.queue: expected a whole number, got 1.5"),
        ({"limits__queue": None}, "limits.queue: expected a whole number, got nothing (null)"),
        ({"sampling__top_p__min": "low"}, "sampling.top_p.min: expected a number, got 'low'"),
        ({"gpu__tokens_per_second": 0.0}, "gpu.tokens_per_second: expected more than 0, got 0"),
        ({"sampling__stop": ["x"] * 9}, "sampling.stop: expected a list of at most 8, got a list of 9"),
        ({"card__preload": "maybe"}, "card.preload: expected true or false, got 'maybe'"),
        ({"system_prompt": {"a": 1}}, "system_prompt: expected text, got a mapping of keys"),
    ],
)
def test_a_value_of_a_wrong_type_is_told_with_the_type_expected(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    assert broken(tmp_path, **changes) == [f": {line}"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"engine": "batching"}, "engine: expected auto or generate for image-chat, whose replies can't be batched, got 'batching'"),
        ({"endpoint": {"url": "https://example.org/v1"}}, "task: expected chat with an endpoint, to which no images are sent, got 'image-chat'"),
        ({"limits__images": 0}, "limits.images: expected at least 1, got 0"),
        ({"limits__image_pixels": 100}, "limits.image_pixels: expected at least 65536, got 100"),
    ],
)  # fmt: skip
def test_a_config_that_images_do_not_go_with_is_refused(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    assert broken(tmp_path, task="image-chat", **changes) == [f": {line}"]


def test_a_folder_is_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        configfile.read(tmp_path)
    assert caught.value.problems == [f"{tmp_path}: expected a readable file, got Is a directory"]


def test_a_config_that_is_not_there_is_told_with_those_that_are_once() -> None:
    known = ", ".join(configfile.names())
    for name, near in (("nix", ""), ("defualt", "; did you mean 'default'?")):
        with pytest.raises(ConfigError) as caught:
            configfile.locate(name)
        assert str(caught.value) == (
            f"{name}: expected a config file, found none. Give a path, or one of config/: {known}{near}"
        )


@pytest.mark.parametrize("key", ["users", "organizations"])
def test_who_may_use_the_page_is_named_as_the_hub_does_and_has_to_sign_in(tmp_path: Path, key: str) -> None:
    expected = "expected none without login: true, by which visitors are known, got a list of 1"
    assert broken(tmp_path, access={key: ["ada"]}) == [f": access.{key}: {expected}"]
    for name in ("a b", "acme/chat", "", "ad\u00e5", "ada\n"):
        expected = (
            "expected a name at the Hub, as in huggingface.co/NAME, in any case, got something that isn't repeated"
        )
        (problem,) = broken(tmp_path, access={"login": True, key: [name]})
        assert problem.startswith(f": access.{key}.0: {expected}")
    data = changed({"access": {"login": True, key: ["Ada", "b-2_c.d"]}})
    assert list(getattr(Config.model_validate(data).access, key)) == ["Ada", "b-2_c.d"]
