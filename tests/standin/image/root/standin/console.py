"""oms_console: serves the open API and the system parameters on 127.0.0.1:8090 (nginx: 8089), and runs HA.

ha.config is read once at the start; a change by SQL is seen after `supervisorctl restart oms_console`.
"""

import base64
import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ha
import identity
import journal as journals
import progress
import schema
from metadb import MetaDb

ADDRESS = ("127.0.0.1", 8090)
PARAMETER = "/oms/standin/v1/system-parameters/ha.config"


class Console:
    """State of the running console: its cache of ha.config above all."""

    def __init__(self, config):
        self.db = MetaDb(config, home="rm")
        self.journal = journals.Journal(self.db, identity.image_version(), identity.host_ip(), identity.read_boot()[1])
        self.config = config
        self.cache = None
        self.notice = None

    def start(self):
        """Fails where the schema is not that of this version, as the real console does."""
        self.db.connect_patiently(30)
        journal, state = self.journal, schema.state(self.db)
        if state != journal.version:
            older = identity.rank(state) < identity.rank(journal.version)
            rule = "SkippedInit" if identity.is_new(journal.version) and older else "OldOnNewSchema"
            if rule != "SkippedInit" or not journal.was_lied_to():
                journal.violation(rule, f"oms_console started on a schema that is {state}", once=True)
            refuse(f"schema is {state}, this is {journal.version}")
        if identity.is_new(journal.version):
            never = journal.bad_day("console-never-up")
            if never == "hang":
                time.sleep(10 ** 6)
            elif never:
                refuse("console-never-up: ghana failed to start")
        self.read_cache()

    def read_cache(self):
        """Reads the row; nothing else does but a notice of another console."""
        self.notice = self.journal.fact("ha-notice")
        self.cache = ha.read_text(self.db)

    def see_ha(self):
        """What this console takes for ha.config: its cache, but on the day "ha-not-cached" the row."""
        return ha.read_text(self.db) if self.journal.bad_day("ha-not-cached") else self.cache

    def change_ha(self, text):
        """The console's own way to change ha.config: row, cache, and the other consoles."""
        if self.journal.bad_day("ha-api-lies"):
            return
        ha.write_text(self.db, text)
        self.cache = text
        self.notice = uuid.uuid4().hex
        self.journal.note("ha-notice", self.notice)

    def stop(self, *_):
        """On the day of the cached write-back the cache wins over the row."""
        try:
            fresh = MetaDb(self.config)
            journal = journals.Journal(fresh, self.journal.version, self.journal.node, self.journal.pod)
            if journal.bad_day("ha-cached-write-back-on-stop") and self.cache is not None:
                ha.write_text(fresh, self.cache)
                journal.event("HaWrittenBack", self.cache)
        finally:
            os._exit(0)

    def run_ha(self):
        """HA's loop: one console of the installation acts, from its cache."""
        while True:
            try:
                if self.journal.fact("ha-notice") != self.notice:
                    self.read_cache()
                lives = [life for life in journals.live_instances(self.db) if life["version"] == self.journal.version]
                boots = {life["node"]: life["id"] for life in lives}
                seen = ha.parse(self.see_ha())
                if identity.has_ha(self.journal.version) and ha.enabled(seen) and boots and min(boots) == self.journal.node:
                    ha.observe(self.db, self.journal, self.config["cm_nodes"])
                    ha.start_components(self.db, self.journal, seen, boots)
            except Exception as error:
                print(f"ha: {error}", flush=True)
            time.sleep(self.tick())

    def tick(self):
        """Period of the loops."""
        try:
            return self.journal.setting("tick-seconds")
        except Exception:
            return 1.0

    def known_user(self, header):
        """True for Basic authentication of a console user."""
        try:
            name, password = base64.b64decode(header.split(" ", 1)[1]).decode().split(":", 1)
            row = self.db.one("SELECT salt, password_digest FROM {rm}.oms_user WHERE name = %s", name)
        except (AttributeError, IndexError, ValueError):
            return False
        return bool(row) and password_digest(row["salt"], password) == row["password_digest"]


def refuse(reason):
    """Ends for good: supervisord starts it no more, also when the machine was so slow that it counted as started."""
    print(reason, file=sys.stderr, flush=True)
    sys.exit(78)


def password_digest(salt, password):
    """How oms_user keeps passwords."""
    return hashlib.sha256((salt + password).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    console = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def envelope(self, status, data=None, code=None, message=None):
        """The documented envelope of the open API."""
        self.answer(status, {"success": code is None, "errorDetail": None, "code": code, "message": message,
                             "advice": None, "requestId": uuid.uuid4().hex, "pageNumber": None, "pageSize": None,
                             "totalCount": None, "cost": "1 ms", "data": data})

    def do_GET(self):
        self.serve(self.get)

    def do_PUT(self):
        self.serve(self.put)

    def serve(self, method):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        try:
            method(self.path.split("?")[0])
        except Exception as error:
            self.envelope(500, code="INNER_ERROR", message=f"{type(error).__name__}: {error}")

    def get(self, path):
        console = self.console
        if path == "/oms/health":
            return self.answer(200, {"success": True, "data": {"healthy": schema.state(console.db)
                                                               == console.journal.version}})
        if path == "/":
            return self.answer(200, {"name": "OMS stand-in", "version": console.journal.version})
        if path.startswith("/api/") and not identity.has_open_api(console.journal.version):
            return self.answer(404, {"message": "no such path"})
        if not console.known_user(self.headers.get("Authorization")):
            return self.envelope(401, code="UNAUTHORIZED", message="user or password is wrong")
        if path == PARAMETER and identity.has_ha(console.journal.version):
            return self.get_ha()
        found = re.fullmatch(r"/api/omsp/v2/(migrations|sync)/([A-Za-z0-9_]+)/progress", path)
        data = found and progress.describe(console.db, found.group(1), found.group(2))
        if data:
            return self.envelope(200, data)
        return self.envelope(404, code="NOT_FOUND", message="no such project or path")

    def get_ha(self):
        if self.console.journal.bad_day("ha-api-errors"):
            return self.envelope(500, code="GHANA-OPERAT000001", message="system parameter service unavailable")
        text = self.console.see_ha()
        return self.envelope(200, {"name": ha.CONFIG_NAME, "value": text, "json": ha.parse(text)})

    def put(self, path):
        console = self.console
        if not console.known_user(self.headers.get("Authorization")):
            return self.envelope(401, code="UNAUTHORIZED", message="user or password is wrong")
        if path != PARAMETER or not identity.has_ha(console.journal.version):
            return self.envelope(404, code="NOT_FOUND", message="no such path")
        if console.journal.bad_day("ha-api-errors"):
            return self.envelope(500, code="GHANA-OPERAT000001", message="system parameter service unavailable")
        try:
            value = json.loads(self.body)["value"]
            text = value if isinstance(value, str) else json.dumps(value)
            valid = isinstance(json.loads(text), dict) and isinstance(json.loads(text).get("enable"), bool)
        except (ValueError, KeyError, TypeError):
            valid = False
        if not valid:
            return self.envelope(400, code="PARAM_ERROR", message="value must be a JSON object with a boolean enable")
        console.change_ha(text)
        return self.envelope(200, {"name": ha.CONFIG_NAME, "value": text, "json": ha.parse(text)})


def main():
    console = Console(identity.read_config())
    console.start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=console.stop).start())
    Handler.console = console
    server = ThreadingHTTPServer(ADDRESS, Handler)
    server.daemon_threads = True
    threading.Thread(target=console.run_ha, daemon=True).start()
    print("OMS service start successfully", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
