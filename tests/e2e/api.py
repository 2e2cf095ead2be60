"""A plain client of the API server: a few milliseconds per call, where starting kubectl takes a hundred times that.

Used where a test must act within a phase, and to see every state of an object. Touches what it is told to.
"""

import base64
import http.client
import json
import ssl
import subprocess
import threading
import time
from urllib.parse import urlencode, urlsplit

MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"


class ApiError(Exception):
    """An answer that is no success; carries the Status object."""

    def __init__(self, code, body):
        super().__init__(f"HTTP {code}: {body.get('message', body) if isinstance(body, dict) else body}")
        self.code = code


class Api:
    """One cluster, as its administrator."""

    def __init__(self, kubectl, kubeconfig):
        view = json.loads(subprocess.run([kubectl, "--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "json"],
                                         check=True, capture_output=True, text=True).stdout)
        cluster, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
        self.host = urlsplit(cluster["server"]).netloc
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self.headers = {"Authorization": f"Bearer {user['token']}", "Accept": "application/json"}

    def open(self, method, path, body=None, content_type="application/json", timeout=30):
        """(connection, response) of one call."""
        connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=timeout)
        headers = {**self.headers, **({"Content-Type": content_type} if body is not None else {})}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection, connection.getresponse()

    def call(self, method, path, body=None, content_type="application/json"):
        """The parsed answer of one call. One that the API server puts off, as it does while a definition is replaced, is sent
        again when it says."""
        for _ in range(30):
            connection, response = self.open(method, path, body, content_type)
            try:
                text = response.read().decode()
            finally:
                connection.close()
            if response.status != 429:
                break
            time.sleep(int(response.headers.get("Retry-After") or 1))
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = text
        if response.status >= 300:
            raise ApiError(response.status, parsed)
        return parsed

    def get(self, path):
        """One object or list; None when there is none."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def patch(self, path, body, content_type=MERGE):
        """A merge patch, or a JSON patch."""
        return self.call("PATCH", path, body, content_type)


def upgrades_path(namespace, name=""):
    """Path of the OmsUpgrades of a namespace, or of one."""
    return f"/apis/oms.oceanbase.com/v1alpha1/namespaces/{namespace}/omsupgrades" + (f"/{name}" if name else "")


class Watch:
    """Every state of one OmsUpgrade from before its creation on, in order."""

    def __init__(self, api, namespace, name):
        self.api, self.path, self.name = api, upgrades_path(namespace), name
        self.states, self.deleted, self.broken = [], False, None
        self.changed = threading.Condition()
        self.closed = self.relist = False
        known = api.get(self.path)
        self.version = known["metadata"]["resourceVersion"]
        for item in known["items"]:
            if item["metadata"]["name"] == name:
                self.states.append(item)
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        while not self.closed:
            try:
                self._follow_once()
            except Exception as error:  # the API server may be away for a moment; a test notices by its own deadline
                self.broken = error
                time.sleep(0.2)
                if isinstance(error, ApiError) and error.code == 410:
                    self.relist = True

    def _list_anew(self):
        """After a definition was replaced, the API server knows nothing of the versions of before."""
        known = self.api.get(self.path)
        states = [item for item in known["items"] if item["metadata"]["name"] == self.name]
        with self.changed:
            self.deleted = bool(self.states) and not states
            last = self.last().get("metadata", {}).get("resourceVersion")
            self.states += [item for item in states if item["metadata"]["resourceVersion"] != last]
            self.changed.notify_all()
        self.version = known["metadata"]["resourceVersion"]
        self.relist = False

    def _follow_once(self):
        if self.relist:
            self._list_anew()
        query = urlencode({"watch": "true", "resourceVersion": self.version, "timeoutSeconds": 3000})
        connection, response = self.api.open("GET", f"{self.path}?{query}", timeout=3100)
        self.connection = connection
        try:
            for line in response:
                event = json.loads(line)
                item = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(item.get("code"), item)
                self.version = item["metadata"]["resourceVersion"]
                if item["metadata"]["name"] != self.name:
                    continue
                with self.changed:
                    self.deleted = event["type"] == "DELETED"
                    self.states.append(item)
                    self.changed.notify_all()
        finally:
            connection.close()

    def close(self):
        """Ends the watch."""
        self.closed = True
        connection = getattr(self, "connection", None)
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(2)
            except OSError:
                pass

    def last(self):
        """The newest state."""
        return self.states[-1] if self.states else {}

    def wait(self, what, check, seconds, after=0):
        """The first state from number `after` on for which check(object) is true."""
        deadline = time.monotonic() + seconds
        with self.changed:
            position = after
            while True:
                while position < len(self.states):
                    if check(self.states[position]):
                        return self.states[position]
                    position += 1
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not within {seconds} s: {what}; last seen: {describe(self.last())}"
                                         + (f"; watch: {self.broken}" if self.broken else ""))
                self.changed.wait(left)

    def wait_deleted(self, seconds):
        """Until the object is gone."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not self.deleted:
                left = deadline - time.monotonic()
                assert left > 0, f"not gone within {seconds} s; last seen: {describe(self.last())}"
                self.changed.wait(left)

    def steps(self):
        """[(direction, step)] in the order in which they were entered."""
        found = []
        for item in self.states:
            status = item.get("status", {})
            entry = (status.get("direction"), status.get("step"))
            if entry[1] and (not found or found[-1] != entry):
                found.append(entry)
        return found

    def count_status_changes(self):
        """How many different statuses there were after the first one."""
        statuses = [json.dumps(item.get("status"), sort_keys=True) for item in self.states]
        return sum(1 for old, new in zip(statuses, statuses[1:]) if old != new)

    def list_progress(self):
        """What was written down of Jobs' progress, in turn, with the step; None where there was none."""
        found = []
        for item in self.states:
            status = item.get("status", {})
            entry = (status.get("step"), status.get("progress"))
            if not found or found[-1] != entry:
                found.append(entry)
        return found


def condition(item, kind):
    """A condition of an object, {} when it is not there."""
    return next((entry for entry in item.get("status", {}).get("conditions", []) if entry["type"] == kind), {})


def is_true(item, kind):
    """Whether a condition is there and true."""
    return condition(item, kind).get("status") == "True"


def describe(item):
    """One line about the state of an upgrade, for a failure."""
    status = item.get("status", {})
    return (f"{status.get('direction')}/{status.get('step')} ({status.get('phase')}, settled {status.get('settled')}): "
            f"{condition(item, 'Ready').get('message', '')}")
