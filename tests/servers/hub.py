"""A loopback Hugging Face Hub, as far as `huggingface_hub` and `datasets` need one, with faults on demand.

    with hub.serving() as server:
        commit = server.push("model", "org/name", {"config.json": b"{}", "model.safetensors": b"…"})
        server.faults.append(("model.safetensors", hub.cut(1000)))     # the next request of that path
        … HF_ENDPOINT=server.endpoint …; server.asked

Large files (`LFS` by their suffix) are redirected to another host, as the Hub does. A commit is the sha1 of its files.
It is written to as well: repositories are made, large files uploaded, and commits sent, with `server.token`.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

_API = r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info|refs)(?:/(.*))?)?"

LFS = (".safetensors", ".bin", ".parquet", ".gz", ".onnx")


@dataclass
class Repo:
    """One repository: its branches, and every commit it ever had."""

    refs: dict = field(default_factory=dict)  # "main" or "refs/…" -> commit
    commits: dict = field(default_factory=dict)  # commit -> path -> bytes
    gated: bool = False
    private: bool = False


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: dict


@dataclass
class HubServer:
    """What is there, who may read it, what goes wrong, and what was asked."""

    port: int = 0
    token: str = "hf_good"  # the one that opens gated and private repositories
    repos: dict = field(default_factory=dict)  # (kind, name) -> Repo
    moved: dict = field(default_factory=dict)  # (kind, old name) -> new name
    faults: list = field(default_factory=list)  # (part of a path, act); each answers one request
    lies: dict = field(default_factory=dict)  # path -> other bytes, under the listing of the right ones
    asked: list = field(default_factory=list)
    uploaded: dict = field(default_factory=dict)  # sha256 -> bytes that no commit need name

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def push(self, kind, name, files, ref="main", **about):
        """Make a commit of `files` and put the branch on it."""
        repo = self.repos.setdefault((kind, name), Repo())
        for key, value in about.items():
            setattr(repo, key, value)
        identity = "\n".join(f"{path} {hashlib.sha256(data).hexdigest()}" for path, data in sorted(files.items()))
        commit = hashlib.sha1(f"{name}\n{identity}".encode()).hexdigest()
        repo.commits[commit] = dict(files)
        repo.refs[ref] = commit
        return commit

    def paths(self, method="GET"):
        return [asked.path for asked in self.asked if asked.method == method]


@contextlib.contextmanager
def serving():
    """A Hub in threads of this process, until the block ends."""
    state = HubServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


# ---- faults: each answers one request


def drop():
    """The connection breaks, and there is no answer."""

    def act(handler, proceed):
        handler.close_connection = True

    return act


def status(code, headers=None, body=b""):
    return lambda handler, proceed: handler.reply(code, body, headers or {})


def cut(after):
    """The connection breaks after so many bytes of the body."""

    def act(handler, proceed):
        handler.most = after
        proceed()
        handler.close_connection = True

    return act


def stall(seconds=30, after=0):
    """So many bytes of the body come, and then nothing for a while."""

    def act(handler, proceed):
        handler.most = after
        proceed()
        handler.wfile.flush()
        time.sleep(seconds)
        handler.close_connection = True

    return act


def flip(at=0):
    """One byte is another."""

    def act(handler, proceed):
        handler.flipped = at
        proceed()

    return act


def no_ranges():
    """The whole file, whatever part of it was asked for."""

    def act(handler, proceed):
        del handler.headers["Range"]
        proceed()

    return act


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HubServer
    most = None
    flipped = None

    def log_message(self, *args):
        """Say nothing."""

    def do_GET(self):
        self.handle_request()

    def do_HEAD(self):
        self.handle_request()

    def do_POST(self):
        self.handle_request()

    def do_PUT(self):
        self.handle_request()

    def handle_request(self):
        self.most = self.flipped = None
        body = self.body()
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.state.asked.append(
            Asked(self.command, path, {name.title(): value for name, value in self.headers.items()})
        )
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            fault = next((f for f in self.state.faults if f[0] in path), None)
            if fault and self.command != "HEAD":
                self.state.faults.remove(fault)
                fault[1](self, lambda: self.route(parts, path, body))
            else:
                self.route(parts, path, body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def route(self, parts, path, body):
        if self.command in ("POST", "PUT") and self.write(parts, path, body):
            return
        # A revision with slashes comes quoted in the API: it is split before it is unquoted.
        if match := re.fullmatch(
            r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info|refs)(?:/(.*))?)?", parts.path
        ):
            kind, name, what, rest = match.groups()
            self.api(kind[:-1], unquote(name), what or "revision", rest or "main", body)
        elif match := re.fullmatch(r"(?:/(datasets))?/(.+?)/resolve/([^/]+)/(.*)", parts.path):
            kind, name, revision, file = match.groups()
            self.resolve("dataset" if kind else "model", name, unquote(revision), unquote(file))
        elif path.startswith("/cdn/"):
            self.cdn(path.rpartition("/")[2], parse_qs(parts.query).get("name", [""])[0])
        else:
            self.reply(404, b"")

    # ---- writing

    def write(self, parts, path, body):
        """Do what changes something; whether the request was one of these."""
        if path.startswith("/upload/"):
            self.upload(path.rpartition("/")[2], body)
        elif path == "/api/validate-yaml":
            self.json({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self.may_write() and self.create(json.loads(body))
        elif match := re.fullmatch(r"/api/models/(.+)/(preupload|commit)/([^/]+)", path):
            name, what, revision = match.groups()
            repo = self.may_write() and self.repo("model", name)
            if repo:
                (self.preupload if what == "preupload" else self.take)(name, repo, revision, body)
        elif match := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            self.may_write() and self.batch(json.loads(body))
        else:
            return False
        return True

    def may_write(self):
        allowed = self.headers.get("Authorization", "") == f"Bearer {self.state.token}"
        if not allowed:
            self.refuse(403, "", "You don't have the rights to write here")
        return allowed

    def create(self, asked):
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if ("model", name) in self.state.repos:
            told = {"error": "You already created this model repo", "url": f"{self.state.endpoint}/{name}"}
            self.reply(409, json.dumps(told).encode())
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.state.push("model", name, {".gitattributes": b"*.onnx filter=lfs\n"}, private=private)
        self.json({"url": f"{self.state.endpoint}/{name}"})

    def preupload(self, name, repo, revision, body):
        there = repo.commits[repo.refs[revision]]
        known = {p: _sibling(p, d) for p, d in there.items()}
        oids = {p: k["lfs"]["sha256"] if "lfs" in k else k["blobId"] for p, k in known.items()}
        ignored = there.get(".gitignore", b"").decode().split()
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LFS) else "regular",
                "shouldIgnore": file["path"] in ignored,
                "oid": oids.get(file["path"]),
            }
            for file in json.loads(body)["files"]
        ]
        self.json({"files": files})

    def batch(self, asked):
        objects = []
        for wanted in asked["objects"]:
            place = {"upload": {"href": f"{self.state.endpoint}/upload/{wanted['oid']}"}}
            needed = {} if wanted["oid"] in self.state.uploaded else {"actions": place}
            objects.append({"oid": wanted["oid"], "size": wanted["size"], **needed})
        self.json({"transfer": "basic", "objects": objects})

    def upload(self, sha256, body):
        if hashlib.sha256(body).hexdigest() != sha256:
            self.reply(400, b"")
            return
        self.state.uploaded[sha256] = body
        self.reply(200, b"")

    def take(self, name, repo, revision, body):
        """A commit."""
        lines = [json.loads(line) for line in body.splitlines()]
        head = repo.refs[revision]
        if lines[0]["value"].get("parentCommit", head) != head:
            self.refuse(412, "", "The branch has moved")
            return
        commit = self.state.push("model", name, self.commit_files(repo.commits[head], lines[1:]), ref=revision)
        self.json({"commitUrl": f"{self.state.endpoint}/{name}/commit/{commit}", "commitOid": commit})

    def commit_files(self, there, lines):
        files = dict(there)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.state.uploaded[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        return files

    # ---- what is there

    def repo(self, kind, name):
        """The repository, or None when the answer has been given."""
        if new := self.state.moved.get((kind, name)):
            self.reply(307, b"", {"Location": self.path.replace(name, new, 1)})
            return None
        repo = self.state.repos.get((kind, name))
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if sent and sent != self.state.token:
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif repo is None or (repo.private and not sent):
            # The Hub does not tell the one from the other without a token.
            self.refuse(404 if sent else 401, "RepoNotFound", "Repository not found")
        else:
            return repo
        return None

    def commit(self, repo, revision):
        commit = repo.refs.get(unquote(revision), revision)
        if commit not in repo.commits:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return commit

    def api(self, kind, name, what, rest, body):
        repo = self.repo(kind, name)
        if repo is None:
            return
        if what == "refs":
            branches = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in repo.refs.items() if "/" not in n
            ]
            converts = [{"name": n, "ref": n, "targetCommit": c} for n, c in repo.refs.items() if "/" in n]
            self.json({"branches": branches, "converts": converts, "tags": [], "pullRequests": []})
            return
        revision, _, below = rest.partition("/")
        commit = self.commit(repo, revision)
        if commit is None:
            return
        files = repo.commits[commit]
        if what == "revision":
            siblings = [{"rfilename": path, **_sibling(path, data)} for path, data in sorted(files.items())]
            card = _card(files.get("README.md", b""))
            known = {"private": repo.private, "gated": "auto" if repo.gated else False, "cardData": card, "tags": []}
            self.json({"_id": "0", "id": name, "sha": commit, "siblings": siblings, **known})
        elif what == "paths-info":
            said = parse_qs(body.decode())
            paths = said.get("paths") or (json.loads(body)["paths"] if body.startswith(b"{") else [])
            self.json([_entry(p, files[p]) for p in paths if p in files])
        else:
            self.tree(files, unquote(below).strip("/"))

    def tree(self, files, below):
        recursive = "recursive=true" in self.path.lower() or "recursive=1" in self.path
        prefix = f"{below}/" if below else ""
        inside = {p: d for p, d in sorted(files.items()) if p.startswith(prefix)}
        if below and not inside:
            self.refuse(404, "EntryNotFound", f"{below} does not exist")
            return
        folders = {p[: p.index("/", len(prefix))] for p in inside if "/" in p[len(prefix) :]}
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": f} for f in sorted(folders)]
        self.json(entries + [_entry(p, d) for p, d in inside.items() if recursive or "/" not in p[len(prefix) :]])

    def resolve(self, kind, name, revision, path):
        repo = self.repo(kind, name)
        if repo is None:
            return
        sent = self.headers.get("Authorization")
        if repo.gated and not sent:
            self.refuse(401, "GatedRepo", f"Access to {kind} {name} is restricted.")
            return
        commit = self.commit(repo, revision)
        if commit is None:
            return
        if path not in repo.commits[commit]:
            self.refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        data = repo.commits[commit][path]
        about = {"X-Repo-Commit": commit}
        if path.endswith(LFS):
            sha256 = hashlib.sha256(data).hexdigest()
            place = f"http://localhost:{self.state.port}/cdn/{sha256}?name={quote(path)}&Signature=secret"
            linked = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data))}
            self.reply(302, b"", {**about, **linked, "Location": place})
        else:
            self.file(self.state.lies.get(path, data), {**about, "ETag": f'"{_git(data)}"'})

    def cdn(self, sha256, path):
        for repo in self.state.repos.values():
            for files in repo.commits.values():
                if path in files and hashlib.sha256(files[path]).hexdigest() == sha256:
                    self.file(self.state.lies.get(path, files[path]), {"ETag": '"cdn"'})
                    return
        self.reply(404, b"")

    # ---- how it is said

    def file(self, data, headers):
        headers = {"Accept-Ranges": "bytes", **headers}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self.reply(200, data, headers)
            return
        start, end = int(asked[1]), int(asked[2] or len(data) - 1)
        if start >= len(data):
            self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        part = data[start : end + 1]
        self.reply(206, part, {**headers, "Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"})

    def json(self, value):
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, code, error, message, headers=None):
        self.reply(code, b"", {"X-Error-Code": error, "X-Error-Message": message, **(headers or {})})

    def reply(self, code, body, headers=None):
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.flipped is not None and body:
            body = body[: self.flipped] + bytes([body[self.flipped] ^ 1]) + body[self.flipped + 1 :]
        if self.command != "HEAD":
            self.wfile.write(body[: self.most])


def _git(data):
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _sibling(path, data):
    if not path.endswith(LFS):
        return {"size": len(data), "blobId": _git(data)}
    sha256 = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
    lfs = {"size": len(data), "sha256": sha256, "pointerSize": len(pointer)}
    return {"size": len(data), "blobId": _git(pointer), "lfs": lfs}


def _entry(path, data):
    known = _sibling(path, data)
    lfs = known.get("lfs")
    oid = {"lfs": {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}} if lfs else {}
    return {"type": "file", "path": path, "size": known["size"], "oid": known["blobId"], **oid}


def _card(readme):
    licence = re.search(rb"^license: (\S+)$", readme, re.MULTILINE)
    return {"license": licence[1].decode()} if licence else {}


def use(server, patch, folder):
    """Point the Hub's client, in this process and in children of it, at `server`, with a cache of its own."""
    from huggingface_hub import close_session, constants

    close_session()  # it trusts whom the environment of its first use named
    cache, token = folder / "hf" / "hub", folder / "hf" / "token"
    values = {"HF_ENDPOINT": server.endpoint, "HF_HOME": str(folder / "hf"), "HF_HUB_CACHE": str(cache)}
    for name, value in values.items():
        patch.setenv(name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        patch.delenv(name, raising=False)
    patch.setattr(constants, "ENDPOINT", server.endpoint)
    patch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_TOKEN_PATH", str(token))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setenv("HF_HUB_DISABLE_XET", "1")  # large files go the older way, which the server above knows
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return cache
