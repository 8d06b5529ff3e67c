"""One Space on the Hub, as methods that explain the Hub's errors."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub import errors as hub
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, disable_progress_bars, get_session, hf_raise_for_status

from streamspace.deploy.excerpt import headline
from streamspace.deploy.plan import KEPT, Plan
from streamspace.deploy.state import Commit, Remote, Runtime
from streamspace.hub.errors import hub_errors, permitted
from streamspace.hub.upload import File

IGNORE_NOTHING = "# the plan says what is uploaded\n"  # else the Hub skips the files in a Space's .gitignore


class Space:
    """The Space `owner/name`, through huggingface_hub."""

    def __init__(self, name: str, api: HfApi | None = None) -> None:
        self.name = name
        self.api = api or HfApi()
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # the plan is printed instead

    @property
    def page(self) -> str:
        """The URL of its page on the Hub."""
        return f"{self.api.endpoint}/spaces/{self.name}"

    def fetch(self) -> Remote | None:
        """The Space as it is now, or None when there is none. Raises DeployError."""
        with hub_errors("look at the Space", self.name):
            if not os.environ.get("HF_OIDC_RESOURCE"):  # a Trusted Publisher's token has no user
                self.api.whoami()
            try:
                info = self.api.space_info(self.name)
            except hub.RepositoryNotFoundError:
                return None
            runtime = permitted(lambda: self.api.get_space_runtime(self.name))
            return Remote(
                sha=info.sha or "",
                visibility=getattr(info, "visibility", None) or ("private" if info.private else "public"),
                hardware=(runtime.requested_hardware or runtime.hardware) if runtime else None,
                files=self.files(info.sha or "main"),
                variables=self.variables(),
                config=next((commit.config for commit in self.commits() if commit.config), None),
                secrets=permitted(lambda: frozenset(self.api.get_space_secrets(self.name))),
                sleep=runtime.sleep_time if runtime else None,
                replicas=(runtime.raw.get("replicas") or {}).get("requested") if runtime else None,
            )

    def create(self, plan: Plan, secrets: Mapping[str, str]) -> str:
        """Creates it with its hardware, secrets and variables, and returns its first commit."""
        with hub_errors("create the Space", self.name):
            self.api.create_repo(
                self.name,
                repo_type="space",
                visibility=plan.desired.visibility,  # type: ignore[arg-type]
                space_sdk="gradio",
                space_hardware=plan.desired.hardware,  # type: ignore[arg-type]
                space_sleep_time=plan.sleep,
                space_secrets=[{"key": key, "value": value} for key, value in secrets.items()],
                space_variables=[{"key": key, "value": value} for key, value in plan.variables.items()],
            )
            return self.api.space_info(self.name).sha or ""

    def variables(self) -> dict[str, str] | None:
        """Its variables, or None if the token may not read them."""
        with hub_errors("look at the variables", self.name):
            found = permitted(lambda: self.api.get_space_variables(self.name))
        return None if found is None else {name: variable.value for name, variable in found.items()}

    def set_visibility(self, visibility: str) -> None:
        """Makes it public, protected or private."""
        with hub_errors(f"make the Space {visibility}", self.name):
            self.api.update_repo_settings(self.name, repo_type="space", visibility=visibility)  # type: ignore[arg-type]

    def set_sleep(self, seconds: int) -> None:
        """Sets after how many seconds without a visitor it sleeps; -1 for never."""
        with hub_errors("set when the Space sleeps", self.name):
            self.api.set_space_sleep_time(self.name, seconds)

    def set_replicas(self, count: int) -> None:
        """Requests so many copies of it. huggingface_hub 2.4 has no call for it; source: hub docs, "Replicas"."""
        with hub_errors(f"request {count} copies of the Space", self.name):
            asked = f"{self.api.endpoint}/api/spaces/{self.name}/replicas"
            headers = build_hf_headers(token=self.api.token)
            hf_raise_for_status(get_session().post(asked, headers=headers, json={"replicas": count}))

    def set_hardware(self, name: str) -> None:
        """Requests other hardware."""
        with hub_errors(f"request hardware {name}", self.name):
            self.api.request_space_hardware(self.name, name)  # type: ignore[arg-type]

    def set_secret(self, name: str, value: str) -> None:
        """Sets a secret, which can't be read back."""
        with hub_errors(f"set secret {name}", self.name):
            self.api.add_space_secret(self.name, name, value)

    def set_variable(self, name: str, value: str | None) -> None:
        """Sets a variable, or deletes it with None."""
        with hub_errors(f"set variable {name}", self.name):
            if value is None:
                self.api.delete_space_variable(self.name, name)
            else:
                self.api.add_space_variable(self.name, name, value)

    def remove(self) -> None:
        """Deletes it permanently, if it exists."""
        with hub_errors("remove the Space", self.name):
            self.api.delete_repo(self.name, repo_type="space", missing_ok=True)

    def push(self, put: Iterable[File], delete: Iterable[str], parent: str, title: str, message: str) -> str:
        """Commits all changes on top of `parent`, or fails if that is not the head. Returns the sha.

        Not `upload_folder`, which can split a folder into several commits: see docs/decisions/0001.
        """
        operations = [
            *(CommitOperationAdd(file.path, _source(file)) for file in put),
            *(CommitOperationDelete(name, is_folder=False) for name in delete),
        ]
        return self._commit("upload the files", operations, parent, title, message)

    def restore(self, old: str, parent: str, title: str, message: str) -> str:
        """Commits the files as of `old`. Returns the sha, or `parent` if nothing differs."""
        then, now = self.files(old), self.files(parent)
        operations = [
            *(CommitOperationCopy(path, path, src_revision=old) for path in then if then[path] != now.get(path)),
            *(CommitOperationDelete(path, is_folder=False) for path in now if path not in then and path not in KEPT),
        ]
        if not operations:
            return parent
        return self._commit("put the files back", operations, parent, title, message)

    def files(self, revision: str) -> dict[str, str]:
        """The paths at a revision, with the git object id or, for LFS files, the SHA-256."""
        with hub_errors(f"list the files of {revision[:7]}", self.name):
            tree = self.api.list_repo_tree(self.name, recursive=True, revision=revision, repo_type="space")
            found = [entry for entry in tree if isinstance(entry, RepoFile)]
        return {entry.path: entry.lfs.sha256 if entry.lfs else entry.blob_id for entry in found}

    def commits(self) -> list[Commit]:
        """Its history, newest first."""
        with hub_errors("read the history", self.name):
            found = self.api.list_repo_commits(self.name, repo_type="space")
        return [Commit(each.commit_id, each.title, each.message, f"{each.created_at:%Y-%m-%d %H:%M}") for each in found]

    def runtime(self) -> Runtime:
        """The Space's current runtime."""
        with hub_errors("ask what runs", self.name):
            found = self.api.get_space_runtime(self.name)
        hardware = found.hardware or found.requested_hardware
        message = headline(found.raw.get("errorMessage") or "")
        return Runtime(str(getattr(found.stage, "value", found.stage)), found.raw.get("sha"), hardware, message)

    def address(self) -> str:
        """The live app's URL, without a trailing slash."""
        with hub_errors("find the app's address", self.name):
            info = self.api.space_info(self.name)
        return (info.host or f"https://{self.name.replace('/', '-').lower()}.hf.space").rstrip("/")

    def log(self, build: bool = False, follow: bool = False) -> Iterator[str]:
        """The lines of the app's log, or of the build's."""
        with hub_errors(f"read the {'build' if build else 'run'} log", self.name):
            for piece in self.api.fetch_space_logs(self.name, build=build, follow=follow):
                yield from piece.rstrip("\n").splitlines() or [""]

    def _commit(self, step: str, operations: Sequence[object], parent: str, title: str, message: str) -> str:
        with hub_errors(step, self.name):
            self.api.preupload_lfs_files(
                self.name,
                [each for each in operations if isinstance(each, CommitOperationAdd)],
                repo_type="space",
                gitignore_content=IGNORE_NOTHING,
                free_memory=False,
            )
            done = self.api.create_commit(
                self.name,
                operations,  # type: ignore[arg-type]
                commit_message=title,
                commit_description=message,
                repo_type="space",
                parent_commit=parent,
            )
        return done.oid


def _source(file: File) -> str | bytes:
    return file.source if isinstance(file.source, bytes) else str(file.source)
