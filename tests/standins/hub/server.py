"""The stand-in's HTTP side: the routes of the Hub that its client uses, and faults that a test puts in the way."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from streamspace import gguf
from streamspace.checks.platform import HARDWARE, ZEROGPU
from tests.standins.hub.machine import Machine
from tests.standins.hub.repos import Account, Blob, Repo, blob, ignores, is_large

TOKENS = {
    "hf_writer": Account("owner"),
    "hf_reader": Account("owner", role="read"),
    "hf_free": Account("owner", plan="free"),
    "hf_stranger": Account("stranger"),
}

PRICES = {"cpu-upgrade": 0.03, "t4-small": 0.4, "a10g-small": 1.0}  # USD an hour


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, said: str, code: str = "", headers: dict[str, str] | None = None) -> None:
        self.status, self.said = status, said
        self.headers = {**(headers or {}), **({"X-Error-Code": code} if code else {}), "X-Error-Message": said}


@dataclass
class Fault:
    """What happens to requests that match `method path`; `times` of them."""

    pattern: str
    act: Callable[[], None]
    times: int = 1


class Hub:
    """A running stand-in. `repos` maps "spaces/owner/demo" or "models/owner/llm" to what is stored.

    `pause` and `patience` are those of its machines, in seconds.
    """

    def __init__(self, folder: Path, pause: float = 0.05, patience: float = 1.0) -> None:
        self.folder, self.pause, self.patience = folder, pause, patience
        self.repos: dict[str, Repo] = {}
        self.machines: dict[str, Machine] = {}
        self.large: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.tokens = dict(TOKENS)
        self.publishers: dict[str, str] = {}  # a GitHub repository's id token -> the Space it may push to
        handler = type("Bound", (Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self) -> None:
        """Ends it and all that runs in it. Raises NoRecord when a build could be neither found nor made."""
        with ExitStack() as stack:
            stack.callback(self.server.server_close)
            stack.callback(self.server.shutdown)
            for machine in self.machines.values():
                stack.callback(machine.end)

    def add_model(self, name: str, files: dict[str, bytes], **settings: Any) -> Repo:
        """A model repository with one commit."""
        repo = Repo("model", name, **settings)
        repo.commit({path: blob(path, content) for path, content in files.items()}, "Upload the model")
        self.repos[f"models/{name}"] = repo
        return repo

    def add_space(self, repo: Repo) -> None:
        """A Space with its history, which starts to run."""
        self.repos[f"spaces/{repo.name}"] = repo
        self.large |= {
            each.sha256: each.content for commit in repo.commits for each in commit.files.values() if each.large
        }
        self.rebuild(repo)

    def refuse(self, pattern: str, status: int, said: str, times: int = 1, **headers: str) -> None:
        """Answers matching requests with a status and what the Hub says."""

        def act() -> None:
            raise Refused(status, said, headers={name.replace("_", "-"): value for name, value in headers.items()})

        self.faults.append(Fault(pattern, act, times))

    def upon(self, pattern: str, act: Callable[[], None]) -> None:
        """Does something just before the next matching request is answered."""
        self.faults.append(Fault(pattern, act))

    def rebuild(self, repo: Repo) -> None:
        if repo.kind == "space":
            key = repo.name
            if key not in self.machines:
                folder = self.folder / key.replace("/", "--")
                self.machines[key] = Machine(repo, folder, self.url, self.pause, self.patience)
            self.machines[key].rebuild()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _answer(self) -> None:
        self.url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(self.url.query))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {urllib.parse.unquote(self.url.path)}"
        self.hub.seen.append(line)
        try:
            for fault in self.hub.faults:
                if fault.times > 0 and re.search(fault.pattern, line):
                    fault.times -= 1
                    fault.act()
            self._route(line)
        except Refused as refused:
            self._send({"error": refused.said}, refused.status, refused.headers)
        except ConnectionAbortedError:
            self.close_connection = True
            self.connection.close()

    def _route(self, line: str) -> None:
        for pattern, act in ROUTES:
            if match := re.fullmatch(pattern, line):
                act(self, **match.groupdict())
                return
        raise Refused(404, f"the stand-in has no route {line}")

    def _send(self, answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @property
    def account(self) -> Account | None:
        """Who asks; a token that is not known is refused."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.hub.tokens.get(token)

    def known(self) -> Account:
        account = self.account
        if account is None:
            raise Refused(401, "Invalid username or password.")
        return account

    def repo(self, kind: str, name: str) -> Repo:
        """The repository, if whoever asks may see it."""
        account, found = self.account, self.hub.repos.get(f"{kind}/{name}")
        owner = name.split("/")[0]
        scoped = account and account.scope == f"{kind}/{name}"
        if found is None or (found.private and not (account and (account.name == owner or scoped))):
            raise Refused(404 if account else 401, "Repository not found", "RepoNotFound")
        return found

    def writable(self, kind: str, name: str, settings: bool = False) -> Repo:
        """The repository, if whoever asks may change it, or its settings."""
        account, found = self.known(), self.repo(kind, name)
        if account.scope:
            if account.scope != f"{kind}/{name}" or settings:
                raise Refused(401, "This token may only push to its repository")
        elif account.name != name.split("/")[0] or account.role != "write":
            raise Refused(403, f"You don't have the rights to write to {name}")
        return found

    def whoami(self) -> None:
        account = self.known()
        self._send({"type": "user", "name": account.name, "auth": {"accessToken": {"role": account.role}}})

    def create(self) -> None:
        account, asked = self.known(), self.json
        owner = asked.get("organization") or account.name
        name, hardware = f"{owner}/{asked['name']}", asked.get("hardware", "cpu-basic")
        if account.scope:
            raise Refused(401, "This token may only push to its repository")
        if account.role != "write" or account.name != owner:
            raise Refused(403, f'You don\'t have the rights to create a space under the namespace "{owner}"')
        _affordable(account, hardware, ZEROGPU)
        if f"spaces/{name}" in self.hub.repos:
            raise Refused(409, "You already created this space repo")
        repo = Repo("space", name, private=asked.get("visibility") == "private", hardware=hardware)
        repo.protected, repo.sleep = asked.get("visibility") == "protected", asked.get("sleepTimeSeconds")
        repo.secrets = {each["key"]: each["value"] for each in asked.get("secrets", [])}
        repo.variables = {each["key"]: each["value"] for each in asked.get("variables", [])}
        start = {".gitattributes": b"*.safetensors filter=lfs\n", "README.md": b"---\nsdk: gradio\n---\n"}
        repo.commit({path: blob(path, content) for path, content in start.items()}, "initial commit")
        self.hub.repos[f"spaces/{name}"] = repo
        self.hub.rebuild(repo)
        self._send({"url": f"{self.hub.url}/spaces/{name}", "name": name})

    def duplicate(self, name: str) -> None:
        account, source, asked = self.known(), self.repo("spaces", name), self.json
        copy = Repo("space", asked["repository"], hardware=asked.get("hardware", "cpu-basic"))
        if account.name != copy.name.split("/")[0]:
            raise Refused(403, "You don't have the rights to create a space there")
        _affordable(account, copy.hardware, ZEROGPU)
        copy.secrets = {each["key"]: each["value"] for each in asked.get("secrets", [])}  # the source's stay there
        copy.variables = {**source.variables, **{each["key"]: each["value"] for each in asked.get("variables", [])}}
        copy.commits = list(source.commits)
        self.hub.repos[f"spaces/{copy.name}"] = copy
        self.hub.rebuild(copy)
        self._send({"url": f"{self.hub.url}/spaces/{copy.name}"})

    def delete(self) -> None:
        name = f"{self.json['organization']}/{self.json['name']}"
        self.writable("spaces", name, settings=True)
        self.hub.machines.pop(name).end()
        del self.hub.repos[f"spaces/{name}"]
        self._send({})

    def validate(self) -> None:
        found = re.search(r"^short_description: (.*)$", self.json["content"], re.MULTILINE)
        if found and len(found[1]) > 60:
            self._send({"errors": [{"message": '"short_description" length must be at most 60'}], "warnings": []}, 400)
            return
        self._send({"errors": [], "warnings": []})

    def info(self, kind: str, name: str, revision: str = "main") -> None:
        repo = self.repo(kind, name)
        commit = self._commit(repo, revision)
        answer: dict[str, Any] = {
            "id": name, "sha": commit.sha, "private": repo.private, "gated": "manual" if repo.readers is not None else False,
            "siblings": [
                {"rfilename": path, "size": each.size, "blobId": each.git_oid} for path, each in commit.files.items()
            ],
        }  # fmt: skip
        if kind == "spaces":
            answer |= {"visibility": "protected" if repo.protected else "private" if repo.private else "public"}
            if name in self.hub.machines:
                answer |= {"host": self.hub.machines[name].url, "runtime": self._runtime(name)}
        else:
            answer |= {**self._model_facts(commit.files), **repo.described}
        self._send(answer)

    @staticmethod
    def _model_facts(files: dict[str, Blob]) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if licence := re.search(rb"^license: (\S+)", files["README.md"].content if "README.md" in files else b"", re.M):
            facts["cardData"] = {"license": licence[1].decode()}
        if "parameters.json" in files:
            facts["safetensors"] = json.loads(files["parameters.json"].content)
        if file := next((name for name in files if name.endswith(".gguf")), None):
            values = gguf.read(io.BytesIO(files[file].content))
            facts["gguf"] = {"chat_template": values.get("tokenizer.chat_template"), **gguf.shape(values)}
        return facts

    def _commit(self, repo: Repo, revision: str) -> Any:
        commit = repo.at(urllib.parse.unquote(revision))
        if commit is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def readable(self, kind: str, name: str, revision: str) -> Any:
        """The commit, if whoever asks may read its files."""
        repo = self.repo(kind, name)
        if repo.readers is not None and (self.account is None or self.account.name not in repo.readers):
            raise Refused(403 if self.account else 401, f"Access to model {name} is restricted", "GatedRepo")
        return self._commit(repo, revision)

    def auth_check(self, kind: str, name: str) -> None:
        self.readable(kind, name, "main")
        self._send({})

    def tree(self, kind: str, name: str, revision: str) -> None:
        files = self.readable(kind, name, revision).files
        self._send([each.entry(path) for path, each in files.items()])

    def paths_info(self, kind: str, name: str, revision: str) -> None:
        files = self.readable(kind, name, revision).files
        wanted = urllib.parse.parse_qs(self.body.decode())["paths"]
        self._send([files[path].entry(path) for path in wanted if path in files])

    def commits(self, kind: str, name: str, revision: str) -> None:
        repo = self.repo(kind, name)
        self._send([commit.describe() for commit in reversed(repo.commits)] if self.query.get("p", "0") == "0" else [])

    def preupload(self, kind: str, name: str, revision: str) -> None:
        there = self.writable(kind, name).head.files
        hidden = there[".gitignore"].content.decode() if ".gitignore" in there else ""
        hidden = self.json.get("gitIgnore", hidden)
        answer = []
        for file in self.json["files"]:
            path, mode = file["path"], "lfs" if is_large(file["path"], file["size"]) else "regular"
            known = there.get(path)
            oid = (known.sha256 if mode == "lfs" else known.git_oid) if known else None
            answer.append({"path": path, "uploadMode": mode, "shouldIgnore": ignores(hidden, path), "oid": oid})
        self._send({"files": answer})

    def batch(self, kind: str, name: str) -> None:
        self.writable(kind, name)
        objects = []
        for each in self.json["objects"]:
            href = f"{self.hub.url}/lfs/{each['oid']}"
            missing = each["oid"] not in self.hub.large
            objects.append({**each, "actions": {"upload": {"href": href}}} if missing else each)
        self._send({"transfer": "basic", "objects": objects})

    def put_large(self, oid: str) -> None:
        self.hub.large[oid] = self.body
        self._send({})

    def get_large(self, oid: str) -> None:
        content, asked = self.hub.large[oid], re.fullmatch(r"bytes=0-(\d+)", self.headers.get("Range", ""))
        self._send(content[: int(asked[1]) + 1] if asked else content, 206 if asked else 200)

    def commit(self, kind: str, name: str, revision: str) -> None:
        repo = self.writable(kind, name)
        lines = [json.loads(line) for line in self.body.splitlines()]
        head = lines[0]["value"]
        if head.get("parentCommit", repo.head.sha) != repo.head.sha:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.head.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = Blob(self.hub.large[value["oid"]], True)
            else:
                del files[value["path"]]
        done = repo.commit(files, head["summary"], head.get("description", ""))
        self.hub.rebuild(repo)
        self._send({"commitUrl": f"{self.hub.url}/{kind}/{name}/commit/{done.sha}", "commitOid": done.sha})

    def resolve(self, name: str, revision: str, path: str, kind: str | None = None) -> None:
        commit = self.readable(kind or "models", name, revision)
        if path not in commit.files:
            raise Refused(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.sha})
        found, headers = commit.files[path], {"X-Repo-Commit": commit.sha}
        if not found.large:
            self._send(found.content, 200, {**headers, "ETag": f'"{found.git_oid}"'})
            return
        self.hub.large[found.sha256] = found.content
        elsewhere = f"http://localhost:{self.hub.server.server_port}/lfs/{found.sha256}"
        linked = {"X-Linked-Etag": f'"{found.sha256}"', "X-Linked-Size": str(len(found.content))}
        self._send(b"", 302, {**headers, **linked, "Location": elsewhere})

    def _runtime(self, name: str) -> dict[str, Any]:
        machine, repo = self.hub.machines[name], self.hub.repos[f"spaces/{name}"]
        found = {"stage": machine.stage, "hardware": {"current": repo.hardware, "requested": repo.hardware}}
        found |= {"gcTimeout": repo.sleep, "replicas": {"current": 1, "requested": repo.replicas}}
        return {**found, "sha": machine.sha, **({"errorMessage": machine.message} if machine.message else {})}

    def runtime(self, name: str) -> None:
        self.repo("spaces", name)
        self._send(self._runtime(name))

    def get_setting(self, name: str, setting: str) -> None:
        repo = self.writable("spaces", name, settings=True)
        shown = repo.variables.items() if setting == "variables" else [(key, None) for key in repo.secrets]
        self._send({key: {"key": key, **({"value": value} if value is not None else {})} for key, value in shown})

    def set_setting(self, name: str, setting: str) -> None:
        repo = self.writable("spaces", name, settings=True)
        kept: dict[str, str] = getattr(repo, setting)
        if self.command == "DELETE":
            kept.pop(self.json["key"], None)
        else:
            kept[self.json["key"]] = self.json["value"]
        self.hub.rebuild(repo)
        self._send({key: {"key": key, "value": value} for key, value in kept.items()} if setting == "variables" else {})

    def set_hardware(self, name: str) -> None:
        repo, account = self.writable("spaces", name, settings=True), self.known()
        repo.hardware = _affordable(account, self.json["flavor"], repo.hardware)
        self.hub.rebuild(repo)
        self._send(self._runtime(name))

    def settings(self, name: str) -> None:
        repo = self.writable("spaces", name, settings=True)
        repo.private, repo.protected = (self.json["visibility"] == each for each in ("private", "protected"))
        self._send({})

    def set_sleep(self, name: str) -> None:
        repo = self.writable("spaces", name, settings=True)
        if repo.hardware in ("cpu-basic", ZEROGPU):
            raise Refused(400, "The sleep time of free hardware can't be changed")
        repo.sleep = self.json["seconds"]
        self._send(self._runtime(name))

    def set_replicas(self, name: str) -> None:
        repo = self.writable("spaces", name, settings=True)
        if repo.hardware in ("cpu-basic", ZEROGPU):
            raise Refused(400, "Replicas need upgraded hardware")
        if type(self.json.get("replicas")) is not int or self.json["replicas"] < 1:
            raise Refused(400, "replicas: expected a number")
        repo.replicas = self.json["replicas"]
        self._send(self._runtime(name))

    def prices(self) -> None:
        units = {"unitCostMicroUSD": 0, "unitLabel": "minute", "accelerator": None, "cpu": "2 vCPU", "ram": "16 GB"}
        units |= {"ephemeralStorage": "20 GB"}
        self._send([
            {**units, "name": name, "prettyName": name, "unitCostUSD": PRICES.get(name, 0.0) / 60} for name in HARDWARE
        ])  # fmt: skip

    def logs(self, name: str, log: str) -> None:
        self.writable("spaces", name)
        machine = self.hub.machines[name]
        lines = machine.build_log if log == "build" else machine.run_log()
        events = (json.dumps({"data": f"{line}\n", "timestamp": "2026-01-01T00:00:00.000Z"}) for line in lines)
        self._send(
            "".join(f"data: {event}\n\n" for event in events).encode(), 200, {"Content-Type": "text/event-stream"}
        )

    def mint(self) -> None:
        if self.headers.get("Authorization") != "Bearer runner":
            raise Refused(401, "not this runner")
        self._send({"value": f"id-token-for-{self.query['audience']}"})

    def exchange(self) -> None:
        asked = self.json
        if self.hub.publishers.get(asked["subject_token"]) != asked["resource"]:
            raise Refused(400, "invalid_grant: no Trusted Publisher matches this workflow")
        self.hub.tokens["hf_jwt_publisher"] = Account("publisher", scope=asked["resource"])
        self._send({"access_token": "hf_jwt_publisher", "token_type": "bearer", "expires_in": 3600})


def _affordable(account: Account, hardware: str, free: str) -> str:
    """The hardware, if there is such and the account may have it; a free one only `free`, and no other afterwards."""
    if hardware not in HARDWARE:
        raise Refused(400, f"unknown flavor {hardware}")
    if account.plan == "free" and not hardware == free == ZEROGPU:
        raise Refused(402, f"{hardware} requires a PRO subscription")
    return hardware


NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
KIND = r"(?P<kind>models|spaces)"
API = rf"/api/{KIND}/{NAME}"
ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"GET /api/whoami-v2", Handler.whoami),
    (r"POST /api/repos/create", Handler.create),
    (r"DELETE /api/repos/delete", Handler.delete),
    (r"POST /api/validate-yaml", Handler.validate),
    (r"POST /oauth/token", Handler.exchange),
    (r"GET /actions/id-token", Handler.mint),
    (rf"GET {API}", Handler.info),
    (rf"GET {API}/revision/(?P<revision>.+)", Handler.info),
    (rf"GET {API}/auth-check", Handler.auth_check),
    (rf"GET {API}/tree/(?P<revision>[^/]+)", Handler.tree),
    (rf"POST {API}/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    (rf"GET {API}/commits/(?P<revision>[^/]+)", Handler.commits),
    (rf"POST {API}/preupload/(?P<revision>[^/]+)", Handler.preupload),
    (rf"POST {API}/commit/(?P<revision>[^/]+)", Handler.commit),
    (rf"POST /{KIND}/{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    (r"PUT /lfs/(?P<oid>[0-9a-f]{64})", Handler.put_large),
    (r"(?:GET|HEAD) /lfs/(?P<oid>[0-9a-f]{64})", Handler.get_large),
    (rf"GET /api/spaces/{NAME}/runtime", Handler.runtime),
    (rf"GET /api/spaces/{NAME}/(?P<setting>secrets|variables)", Handler.get_setting),
    (rf"(?:POST|DELETE) /api/spaces/{NAME}/(?P<setting>secrets|variables)", Handler.set_setting),
    (rf"POST /api/spaces/{NAME}/duplicate", Handler.duplicate),
    (rf"POST /api/spaces/{NAME}/hardware", Handler.set_hardware),
    (rf"PUT /api/spaces/{NAME}/settings", Handler.settings),
    (rf"POST /api/spaces/{NAME}/sleeptime", Handler.set_sleep),
    (rf"POST /api/spaces/{NAME}/replicas", Handler.set_replicas),
    (r"GET /api/spaces/hardware", Handler.prices),
    (rf"GET /api/spaces/{NAME}/logs/(?P<log>run|build)", Handler.logs),
    (rf"(?:GET|HEAD) /(?:{KIND}/)?{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
]
