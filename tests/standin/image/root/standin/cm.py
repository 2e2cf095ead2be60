"""oms_drc_cm: the Cluster Manager. Keeps host status, serves the documented calls on 8088 (no listing)."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import identity
import journal as journals
import schema
from metadb import MetaDb


class Cm(BaseHTTPRequestHandler):
    """One request; parameters may come in the query or as a form."""

    db = journal = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        url = urlsplit(self.path)
        form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        given = {key: values[0] for key, values in parse_qs(url.query + "&" + form).items()}
        call = CALLS.get((self.command, url.path))
        try:
            if schema.state(self.db) != self.journal.version:
                status, body = 503, {"isSuccess": False, "errMsg": "meta database is not initialised"}
            else:
                status, body = call(self, given) if call else (404, {"isSuccess": False, "errMsg": "no such call"})
        except Exception as error:
            status, body = 500, {"isSuccess": False, "errMsg": f"{type(error).__name__}: {error}"}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def boot_of(self, host):
        """Id of the container life on a host, None when it is down."""
        for life in journals.live_instances(self.db):
            if life["node"] == host and life["version"] == self.journal.version:
                return life["id"]
        return None

    def set_connector(self, name, kind, status):
        row = self.db.one("SELECT * FROM {cm}.oms_connector WHERE name = %s AND kind = %s", name, kind)
        if row is None:
            return 404, {"isSuccess": False, "errMsg": f"no {kind} {name}"}
        boot = self.boot_of(row["host_ip"])
        if boot is None:
            return 500, {"isSuccess": False, "errMsg": f"host {row['host_ip']} is down"}
        self.db.run("UPDATE {cm}.oms_connector SET status = %s, boot = %s WHERE name = %s", status, boot, name)
        self.journal.event("ComponentByHand", f"{name} {status}")
        return 200, {"isSuccess": True}

    def start_connector(self, given):
        return self.set_connector(given.get("taskName"), "CONNECTOR", "RUNNING")

    def stop_connector(self, given):
        return self.set_connector(given.get("taskName"), "CONNECTOR", "SUSPEND")

    def start_writer(self, given):
        return self.set_connector(given.get("applierName"), "JDBCWRITER", "RUNNING")

    def stop_writer(self, given):
        return self.set_connector(given.get("applierName"), "JDBCWRITER", "SUSPEND")

    def describe_writer(self, given):
        row = self.db.one("SELECT * FROM {cm}.oms_connector WHERE name = %s", given.get("writerName"))
        if row is None:
            return 404, {"isSuccess": False, "errMsg": "no such writer"}
        return 200, {"isSuccess": True, "replicator": {"active": row["status"] == "RUNNING", "status": row["status"],
                                                       "checkpoint": {"timestamp": row["checkpoint_ts"]}}}

    def describe_store(self, given):
        row = self.db.one("SELECT * FROM {cm}.oms_store WHERE name = %s", given.get("crawler"))
        if row is None:
            return 404, {"isSuccess": False, "errMsg": "no such store"}
        running = row["status"] == "RUNNING"
        return 200, {"isSuccess": True, "crawler": {"name": row["name"], "status": 0 if running else 1, "active": running},
                     "checkpoints": [[{"timestamp": row["start_ts"]}, {"timestamp": row["fetched_ts"]}]],
                     "role": "master" if running else "slave", "errMsg": ""}

    def restore_store(self, given):
        """Starts the same Store where it ended: what it had fetched lies on its mount."""
        row = self.db.one("SELECT * FROM {cm}.oms_store WHERE name = %s", given.get("crawler"))
        boot = row and self.boot_of(row["host_ip"])
        if boot is None:
            return 500, {"isSuccess": False, "errMsg": "no such store, or its host is down"}
        self.db.run("UPDATE {cm}.oms_store SET status = 'RUNNING', boot = %s WHERE name = %s", boot, row["name"])
        self.journal.event("StoreByHand", row["name"])
        return 200, {"isSuccess": True}


CALLS = {
    ("POST", "/connector/task/startByName"): Cm.start_connector,
    ("POST", "/connector/task/stopByName"): Cm.stop_connector,
    ("POST", "/applier/start"): Cm.start_writer,
    ("POST", "/applier/stop"): Cm.stop_writer,
    ("GET", "/JDBCWriter/detail"): Cm.describe_writer,
    ("GET", "/crawler/detail"): Cm.describe_store,
    ("POST", "/crawler/restore"): Cm.restore_store,
}


def keep_hosts(db, journal):
    """host_status follows the heart beats; nothing is written while the schema is another version's.

    Nobody is called OFFLINE before this CM has listened long enough to have missed a beat."""
    since = time.monotonic()
    while True:
        pause = 1.0
        try:
            pause = journal.setting("tick-seconds")
            if schema.state(db) == journal.version:
                age = journal.setting("host-timeout-seconds")
                for host in db.run("SELECT h.ip AS ip, h.host_status AS host_status,"
                                   " COALESCE(TIMESTAMPDIFF(SECOND, b.gmt_modified, NOW(6)), 9999) AS age"
                                   " FROM {cm}.host h LEFT JOIN {hb}.heart_beat b"
                                   " ON b.host_ip = h.ip AND b.task_name = 'supervisor'"):
                    status = "ONLINE" if host["age"] < age else "OFFLINE"
                    listened = time.monotonic() - since > age
                    if status != host["host_status"] and (listened or status == "ONLINE"):
                        db.run("UPDATE {cm}.host SET host_status = %s, gmt_modified = NOW(6) WHERE ip = %s",
                               status, host["ip"])
        except Exception as error:
            print(f"hosts: {error}", flush=True)
        time.sleep(pause)


def main():
    config = identity.read_config()
    Cm.db = MetaDb(config, home="cm")
    Cm.journal = journals.Journal(Cm.db, identity.image_version(), identity.host_ip(), identity.read_boot()[1])
    Cm.db.connect_patiently(30)
    threading.Thread(target=keep_hosts, args=(Cm.db, Cm.journal), daemon=True).start()
    server = ThreadingHTTPServer(("0.0.0.0", 8088), Cm)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
