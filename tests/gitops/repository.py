"""A git repository with the Deployment of OMS in it, served to the controllers over HTTP. May touch: a folder of its own."""

import gzip
import http.server
import os
import subprocess
import tempfile
import threading

import yaml

QUIET = {"GIT_AUTHOR_NAME": "team", "GIT_AUTHOR_EMAIL": "team@example.invalid", "GIT_COMMITTER_NAME": "team",
         "GIT_COMMITTER_EMAIL": "team@example.invalid", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


class Repository:
    """One repository with the folder `oms`."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="oms-gitops-")
        self.bare = os.path.join(self.folder.name, "oms.git")
        self.tree = os.path.join(self.folder.name, "tree")
        self.git("init", "--quiet", "--bare", "--initial-branch=main", self.bare, where=self.folder.name)
        self.git("clone", "--quiet", self.bare, self.tree, where=self.folder.name)
        self.git("checkout", "--quiet", "-B", "main")
        self.server = Server(self.folder.name)
        self.address = f"{self.server.address}/oms.git"

    def close(self):
        """Ends the server, and takes the repository away."""
        self.server.close()
        self.folder.cleanup()

    def git(self, *arguments, where=None):
        """Output of one git call."""
        return subprocess.run(["git", *arguments], cwd=where or self.tree, env={**os.environ, **QUIET}, check=True,
                              capture_output=True, text=True).stdout.strip()

    def commit(self, message, **manifests):
        """Writes manifests (None removes one) and pushes; the new revision."""
        os.makedirs(os.path.join(self.tree, "oms"), exist_ok=True)
        for name, manifest in manifests.items():
            path = os.path.join(self.tree, "oms", f"{name}.yaml")
            if manifest is None:
                os.remove(path)
                continue
            with open(path, "w", encoding="utf-8") as file:
                yaml.safe_dump(manifest, file)
        return self.push(message)

    def push(self, message):
        """Commits what lies in the tree, and pushes it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.git("push", "--quiet", "origin", "main")
        return self.head()

    def revert(self):
        """Takes the newest commit back by another one."""
        self.git("revert", "--no-edit", "HEAD")
        self.git("push", "--quiet", "origin", "main")
        return self.head()

    def head(self):
        """The newest revision."""
        return self.git("rev-parse", "HEAD")

    def pack(self):
        """(path below the server's address, content) of the head as an archive, as Flux's source-controller makes one."""
        text = subprocess.run(["git", "archive", "--format=tar", "HEAD"], cwd=self.tree, check=True, capture_output=True).stdout
        name, packed = f"artifacts/{self.head()}.tar.gz", gzip.compress(text, mtime=0)
        os.makedirs(os.path.join(self.folder.name, "artifacts"), exist_ok=True)
        with open(os.path.join(self.folder.name, name), "wb") as file:
            file.write(packed)
        return name, packed


class Server:
    """Serves a folder on the loopback address: repositories by git's own program, and files of `artifacts`."""

    def __init__(self, folder):
        class Handler(http.server.BaseHTTPRequestHandler):
            """One request."""

            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.partition("?")[0]
                if path.startswith("/artifacts/") and ".." not in path:
                    with open(os.path.join(folder, path[1:]), "rb") as file:
                        return self.answer(200, {}, file.read())
                return self.ask_git(b"")

            def do_POST(self):
                self.ask_git(self.read_body())

            def read_body(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline().strip() or b"0", 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

            def ask_git(self, body):
                path, _, query = self.path.partition("?")
                environment = {**os.environ, "GIT_PROJECT_ROOT": folder, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(len(body)),
                               "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                               "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
                done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
                head, _, rest = done.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
                self.answer(int(headers.pop("Status", "200").split()[0]), headers, rest)

            def answer(self, status, headers, body):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
