"""The pure parts of a deploy: the plan, what a stage means, which lines of a log tell, what came before."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streamspace.config import file as configfile
from streamspace.deploy import excerpt, plan, rollback, watch
from streamspace.deploy.state import Commit, Remote, Runtime
from streamspace.errors import DeployError, UsageError
from streamspace.hub import upload
from streamspace.hub.upload import File
from tests.running import ROOT

WISH = plan.DesiredState("owner/demo", "config/tiny.yaml", "zero-a10g", variables={"SPACE_CONFIG": "config/tiny.yaml"})
NO_FUNCTION = "No @spaces.GPU function detected during startup"
FILES = [File("app.py", b"print()"), File("models/tiny/w.safetensors", b"w" * 200_000)]
REMOTE = Remote(
    sha="a" * 40,
    visibility="public",
    hardware="zero-a10g",
    files={".gitattributes": "1" * 40, "app.py": FILES[0].git_oid, "models/tiny/w.safetensors": FILES[1].sha256},
    variables={"SPACE_CONFIG": "config/tiny.yaml", "OTHER": "kept"},
    secrets=frozenset({"KEY"}),
)


def lines(desired: plan.DesiredState, remote: Remote | None) -> list[str]:
    return list(plan.make(desired, FILES, remote).lines())


def test_a_first_deploy_creates_sets_and_uploads() -> None:
    desired = dataclasses.replace(WISH, visibility="private", secrets={"KEY": "KEY"})
    assert lines(desired, None) == [
        "create private Space owner/demo on zero-a10g",
        "set secret KEY (value from the environment)",
        "set variable SPACE_CONFIG=config/tiny.yaml",
        "upload app.py (0.0 kB)",
        "upload models/tiny/w.safetensors (0.2 MB)",
    ]


def test_a_space_that_is_as_wanted_gives_an_empty_plan() -> None:
    made = plan.make(WISH, FILES, REMOTE)
    assert made.empty
    assert list(made.lines()) == ["keep 2 unchanged files"]


def test_a_plan_names_only_what_differs() -> None:
    desired = dataclasses.replace(
        WISH, hardware="cpu-basic", visibility="private", secrets={"KEY": "KEY", "NEW": "MINE"}
    )
    remote = dataclasses.replace(
        REMOTE, files={**REMOTE.files, "old.py": "2" * 40, "app.py": "3" * 40}, variables={"OTHER": "kept"}
    )
    assert lines(desired, remote) == [
        "make the Space private",
        "request hardware cpu-basic",
        "set secret NEW (value from the environment)",
        "set variable SPACE_CONFIG=config/tiny.yaml",
        "upload app.py (0.0 kB)",
        "delete old.py",
        "keep 1 unchanged file",
        "keep secret KEY, which is set (--replace-secrets sets it again)",
    ]


def test_secrets_are_set_again_only_when_asked() -> None:
    desired = dataclasses.replace(WISH, secrets={"KEY": "MINE"})
    assert plan.make(desired, FILES, REMOTE).empty
    assert plan.make(dataclasses.replace(desired, replace_secrets=True), FILES, REMOTE).secrets == {"KEY": "MINE"}


def test_a_token_that_may_not_look_at_settings_leaves_them_alone() -> None:
    remote = dataclasses.replace(REMOTE, hardware=None, variables=None, secrets=None)
    made = plan.make(WISH, FILES, remote)
    assert made.empty
    assert list(made.lines())[-1] == "leave the variables as they are: this token may not read them"


def test_when_a_space_sleeps_and_who_sees_it_are_steps_of_the_plan() -> None:
    paid = dataclasses.replace(REMOTE, hardware="a10g-small")
    wish = dataclasses.replace(WISH, hardware="a10g-small", sleep=1800, visibility="protected")
    made = plan.make(wish, FILES, paid)
    assert list(made.lines())[:2] == ["make the Space protected", "let it sleep after 30 minutes"]
    asleep = dataclasses.replace(paid, sleep=1800, visibility="protected")
    assert plan.make(wish, FILES, asleep).sleep is None
    assert plan.make(wish, FILES, asleep).visibility is None
    awake = plan.make(dataclasses.replace(wish, sleep=None, visibility=None), FILES, asleep)
    assert next(awake.lines()) == "let it never sleep"
    assert awake.visibility is None
    assert plan.make(dataclasses.replace(WISH, sleep=1800), FILES, REMOTE).sleep is None  # on free hardware


def test_how_many_copies_run_is_a_step_on_paid_hardware() -> None:
    paid = dataclasses.replace(REMOTE, hardware="a10g-small", replicas=2)
    wish = dataclasses.replace(WISH, hardware="a10g-small")
    assert [plan.make(dataclasses.replace(wish, replicas=count), FILES, paid).replicas for count in (None, 1, 2, 3)] == [
        None, 1, None, 3,
    ]  # fmt: skip
    assert next(plan.make(dataclasses.replace(wish, replicas=1), FILES, paid).lines()) == "run 1 copy of it"
    assert plan.make(dataclasses.replace(WISH, replicas=3), FILES, REMOTE).replicas is None  # on free hardware
    assert plan.make(dataclasses.replace(WISH, replicas=3), FILES, None).replicas is None
    assert plan.make(dataclasses.replace(wish, replicas=3), FILES, None).replicas == 3


def test_many_files_are_listed_by_folder() -> None:
    files = [File(f"streamspace/{number}.py", b"x" * 100) for number in range(20)]
    made = plan.make(WISH, [*files, FILES[0]], None)
    assert list(made.lines())[-2:] == ["upload streamspace/ (20 files, 2.0 kB)", "upload app.py (0.0 kB)"]


def test_the_upload_is_an_allow_list_with_the_local_model_and_its_card() -> None:
    path = ROOT / "config/tiny.yaml"
    found = {file.path: file for file in upload.files(configfile.read(path), path)}
    assert {"app.py", "config/tiny.yaml", "config/default.yaml", "models/tiny/config.json"} <= set(found)
    tops = {name.split("/")[0] for name in found}
    assert tops == {"app.py", "README.md", "LICENSE", "requirements.txt", "streamspace", "config", "models"}
    assert not [name for name in found if "__pycache__" in name or name.endswith(".pyc") or "/." in name]
    assert found["README.md"].read().startswith(b"---\ntitle: Streamspace\n")


def test_the_logo_goes_along() -> None:
    tiny = configfile.read(ROOT / "config/tiny.yaml")
    config = tiny.model_copy(update={"page": tiny.page.model_copy(update={"logo": "docs/screenshots/chat.png"})})
    names = {file.path for file in upload.files(config, ROOT / "config/tiny.yaml")}
    assert "docs/screenshots/chat.png" in names
    assert "docs/architecture.md" not in names


def test_a_model_of_the_hub_leaves_the_local_one_at_home() -> None:
    path = ROOT / "config/default.yaml"
    assert not [file for file in upload.files(configfile.read(path), path) if file.path.startswith("models/")]


def test_a_config_from_elsewhere_is_uploaded_into_config(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_bytes((ROOT / "config/tiny.yaml").read_bytes())
    found = {file.path: file for file in upload.files(configfile.read(mine), mine)}
    assert found["config/mine.yaml"].read() == mine.read_bytes()


PUSHED, OLD = "b" * 40, "a" * 40


@pytest.mark.parametrize(
    ("stage", "sha", "moved", "waited", "expected"),
    [
        ("RUNNING", OLD, False, 0, "wait"),  # the revision before
        ("RUNNING", PUSHED, False, 0, "live"),
        ("RUNNING", None, False, 5, "wait"),  # the Hub doesn't say which: wait for a build, or half a minute
        ("RUNNING", None, True, 5, "live"),
        ("RUNNING", None, False, 31, "live"),
        ("BUILD_ERROR", OLD, False, 0, "wait"),
        ("BUILD_ERROR", PUSHED, True, 0, "failed"),
        ("CONFIG_ERROR", None, True, 0, "failed"),
        ("RUNNING_BUILDING", PUSHED, True, 0, "wait"),
        ("APP_STARTING", PUSHED, True, 0, "wait"),
        ("SLEEPING", PUSHED, True, 0, "asleep"),
        ("PAUSED", PUSHED, False, 0, "asleep"),
    ],
)
def test_a_stage_means_something_only_for_the_pushed_revision(
    stage: str, sha: str | None, moved: bool, waited: float, expected: str
) -> None:
    assert watch.verdict(Runtime(stage, sha, None, ""), PUSHED, moved, waited) == expected


class Scripted:
    """A Space that goes through states, and stays at the last."""

    def __init__(self, *states: Runtime) -> None:
        self.states, self.name = list(states), "owner/demo"

    def runtime(self) -> Runtime:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def test_waiting_says_each_stage_once_and_ends_with_the_pushed_revision() -> None:
    said: list[str] = []
    states = [
        ("RUNNING", OLD),
        ("RUNNING", OLD),
        ("RUNNING_BUILDING", OLD),
        ("APP_STARTING", PUSHED),
        ("RUNNING", PUSHED),
    ]
    space = Scripted(*(Runtime(stage, sha, "cpu-basic", "") for stage, sha in states))
    found = watch.until_live(space, PUSHED, said.append, 60, sleep=lambda _: None)
    assert found.sha == PUSHED
    assert [line.split("s  ")[1] for line in said] == [
        "RUNNING (still the revision before)",
        "RUNNING_BUILDING (still the revision before)",
        "APP_STARTING",
        "RUNNING",
    ]


def test_waiting_too_long_says_where_to_look() -> None:
    space = Scripted(Runtime("BUILDING", PUSHED, None, ""))
    with pytest.raises(DeployError) as caught:
        watch.until_live(space, PUSHED, lambda _: None, 0, sleep=lambda _: None)
    assert str(caught.value) == (
        "The Space is still at BUILDING after 0 s. Wait longer with --timeout, or read the log: "
        "python -m streamspace logs owner/demo --build"
    )
    space = Scripted(Runtime("APP_STARTING", PUSHED, None, ""))
    with pytest.raises(DeployError, match=r"logs owner/demo$"):
        watch.until_live(space, PUSHED, lambda _: None, 0, sleep=lambda _: None)


def test_the_last_tracebacks_error_comes_first_and_then_its_calls() -> None:
    trace = ["Traceback (most recent call last):", "  File a", "ValueError: b"]
    assert excerpt.relevant(["start", *trace, "again", *trace[:2], "KeyError: c", "end"]) == [
        "KeyError: c", *trace[:2], "end"
    ]  # fmt: skip
    long = excerpt.relevant([trace[0], *(f"  File {number}" for number in range(50)), "KeyError: c"], most=5)
    assert long == ["KeyError: c", trace[0], "  ...", "  File 48", "  File 49"]


def test_without_a_traceback_the_lines_begin_at_the_error() -> None:
    log = [*(f"step {number}" for number in range(50)), "the disk: no such thing", "a", "b", "c", "d", "e"]
    assert excerpt.relevant(log, most=5) == ["the disk: no such thing", "a", "  ...", "d", "e"]
    assert excerpt.relevant(["one", "", "two"], most=5) == ["one", "two"]


def test_pips_refusal_is_shown_from_its_beginning_to_its_end() -> None:
    causes = [f"    mcp 1.{number} depends on httpx>=0.27" for number in range(50)]
    log = ["Collecting gradio", "ERROR: Cannot install", *causes, "ERROR: ResolutionImpossible", "--> ERROR: process"]
    assert excerpt.relevant(log, most=6) == [
        "ERROR: Cannot install", *causes[:2], "  ...", "ERROR: ResolutionImpossible", "--> ERROR: process"
    ]  # fmt: skip


def test_a_line_with_every_version_there_ever_was_is_shortened() -> None:
    (line,) = excerpt.relevant([f"ERROR: no numpy==9 (from versions: {', '.join(map(str, range(500)))})"])
    assert line.startswith("ERROR: no numpy==9 (from versions: 0, 1, ")
    assert line.endswith(", 498, 499)")
    assert len(line) == 305


def test_the_hubs_message_is_said_in_one_line() -> None:
    assert excerpt.headline("") == ""
    assert excerpt.headline(f"{NO_FUNCTION}\n") == NO_FUNCTION
    assert (
        excerpt.headline("Exit code: 128. Reason: failed to create task")
        == "Exit code: 128. Reason: failed to create task"
    )
    assert excerpt.headline("Exit code: 1. Reason: Traceback\n  File\nKeyError: x") == "Exit code: 1"
    assert (
        excerpt.headline("Job failed with exit code: 1. Reason: cache miss: [run 1/2] COPY")
        == "Job failed with exit code: 1"
    )


def test_a_token_in_a_log_is_not_repeated() -> None:
    assert excerpt.relevant(["error: hf_abcdefghijkl is bad"]) == ["error: hf_*** is bad"]


def history(*titles: str) -> list[Commit]:
    """Newest first; commit n has the sha nnnn..."""
    return [Commit(str(number) * 40, title, "", "") for number, title in reversed(list(enumerate(titles)))]


def test_going_back_twice_goes_back_two_versions() -> None:
    commits = history("initial commit", "Deploy a", "Deploy b", "Deploy c")
    assert rollback.previous(commits)[0] == "2"
    assert (
        rollback.previous(history("initial commit", "Deploy a", "Deploy b", "Deploy c", "Go back to 2222222"))[0] == "1"
    )


def test_a_deploy_that_was_taken_back_is_not_what_came_before() -> None:
    commits = history("initial commit", "Deploy a", "Deploy broken", "Go back to 1111111", "Deploy c")
    assert rollback.previous(commits)[0] == "1"


def test_there_is_nothing_before_the_first() -> None:
    with pytest.raises(DeployError, match="There is no earlier version to go back to"):
        rollback.previous(history("initial commit"))


def test_a_commit_is_found_by_its_beginning() -> None:
    commits = history("initial commit", "Deploy a")
    assert rollback.find(commits, "1111").title == "Deploy a"
    with pytest.raises(UsageError) as caught:
        rollback.find(commits, "77")
    assert str(caught.value) == "--to: expected a commit of the Space, got '77'. The latest are 1111111, 0000000"


def test_a_traceback_of_exactly_the_most_lines_is_whole() -> None:
    log = ["Traceback (most recent call last):", *(f"  line {number}" for number in range(19))]
    assert excerpt.relevant(log) == log
    assert excerpt.relevant([*log, "KeyError: 1"])[:4] == ["KeyError: 1", log[0], "  ...", "  line 2"]


def test_a_commit_that_the_hub_omits_counts_as_running_after_thirty_seconds() -> None:
    runtime = Runtime("RUNNING", None, None, "")
    assert watch.verdict(runtime, PUSHED, False, 29.9) == "wait"
    assert watch.verdict(runtime, PUSHED, False, 30.0) == "live"


def test_an_unknown_commit_is_told_the_latest_five() -> None:
    with pytest.raises(UsageError, match=r"The latest are 6666666, 5555555, 4444444, 3333333, 2222222$"):
        rollback.find(history(*"abcdefg"), "77")


def test_the_first_version_can_be_gone_back_to() -> None:
    assert rollback.previous(history("initial commit", "Deploy a"))[0] == "0"


def test_a_hundred_kilobytes_are_shown_as_megabytes() -> None:
    files = [File("a.bin", b"a" * 99_900), File("b.bin", b"b" * 100_000)]
    assert list(plan.make(WISH, files, None).lines())[-2:] == ["upload a.bin (99.9 kB)", "upload b.bin (0.1 MB)"]


class Restoring(Scripted):
    """A Space with a history, which runs what it restores and remembers it."""

    def commits(self) -> list[Commit]:
        return [Commit("2" * 40, "Deploy b", "", ""), Commit("1" * 40, "Deploy a", "SPACE_CONFIG=config/a.yaml", "")]

    def restore(self, old: str, parent: str, title: str, message: str) -> str:
        self.restored = (old, parent, title, message)
        return PUSHED


@pytest.mark.parametrize(("to", "message"), [("1", "it broke\nSPACE_CONFIG=config/a.yaml"), ("2", "it broke")])
def test_a_restored_version_names_its_reason_and_its_config(to: str, message: str) -> None:
    space = Restoring(Runtime("RUNNING", PUSHED, None, ""))
    assert rollback.go_back(space, to * 40, OLD, "it broke", lambda _: None, 5) == PUSHED  # type: ignore[arg-type]
    assert space.restored == (to * 40, OLD, f"Go back to {to * 7}", message)


def test_a_chat_template_of_the_repository_goes_along_without_the_model_beside_it() -> None:
    hub = configfile.read(ROOT / "config/default.yaml")
    named = {"chat_template": "models/tiny/chat_template.jinja"}
    config = hub.model_copy(update={"model": hub.model.model_copy(update=named)})
    paths = [file.path for file in upload.files(config, ROOT / "config/default.yaml")]
    assert [path for path in paths if path.startswith("models/")] == ["models/tiny/chat_template.jinja"]


def test_a_file_is_known_by_the_hashes_by_which_the_hub_compares(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello\n")
    for file in (File("hello", b"hello\n"), File("hello", tmp_path / "hello")):
        assert file.git_oid == "ce013625030ba8dba906f756967f9e9ca394464a"  # as git hash-object prints it
        assert file.sha256 == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
