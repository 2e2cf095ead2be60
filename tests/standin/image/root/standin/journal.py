"""The journal: a database beside the three of OMS, in which mistakes and events are written down.

It belongs to the stand-in alone; OMS has nothing like it.
"""

NAME = "oms_standin_journal"

_TABLES = (
    """CREATE TABLE IF NOT EXISTS journal (id BIGINT AUTO_INCREMENT PRIMARY KEY,
       at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), rule VARCHAR(40) NOT NULL,
       version VARCHAR(20) NOT NULL, node VARCHAR(64) NOT NULL, pod VARCHAR(64) NOT NULL, detail TEXT)""",
    """CREATE TABLE IF NOT EXISTS events (id BIGINT AUTO_INCREMENT PRIMARY KEY,
       at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), name VARCHAR(40) NOT NULL,
       version VARCHAR(20) NOT NULL, node VARCHAR(64) NOT NULL, pod VARCHAR(64) NOT NULL, detail TEXT)""",
    "CREATE TABLE IF NOT EXISTS bad_days (name VARCHAR(64) PRIMARY KEY, value VARCHAR(200) NOT NULL)",
    "CREATE TABLE IF NOT EXISTS settings (name VARCHAR(64) PRIMARY KEY, value VARCHAR(200) NOT NULL)",
    "CREATE TABLE IF NOT EXISTS facts (name VARCHAR(64) PRIMARY KEY, value VARCHAR(200) NOT NULL)",
    """CREATE TABLE IF NOT EXISTS nodes (node VARCHAR(64) PRIMARY KEY, installation VARCHAR(64) NOT NULL,
       environment TEXT NOT NULL, config TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS instances (id BIGINT AUTO_INCREMENT PRIMARY KEY, version VARCHAR(20) NOT NULL,
       node VARCHAR(64) NOT NULL, pod VARCHAR(64) NOT NULL, for_upgrade INT NOT NULL, session VARCHAR(120) NOT NULL,
       started DOUBLE NOT NULL, quiet INT NOT NULL DEFAULT 0, stopped DOUBLE, digest MEDIUMTEXT)""",
    """CREATE TABLE IF NOT EXISTS inits (id BIGINT AUTO_INCREMENT PRIMARY KEY, version VARCHAR(20) NOT NULL,
       node VARCHAR(64) NOT NULL, instance BIGINT NOT NULL, session VARCHAR(120) NOT NULL,
       started DOUBLE NOT NULL, finished DOUBLE, outcome VARCHAR(40))""",
)

DEFAULT_SETTINGS = {
    "tick-seconds": "1",            # period of every loop
    "minute-seconds": "60",         # seconds in a minute of refetchStoreIntervalMin
    "init-seconds": "4",            # what docker_init.sh takes when nothing is wrong
    "catch-up": "120",              # seconds of changes applied per second
    "host-timeout-seconds": "30",   # heart beat older than this: host is OFFLINE
}


def create(db):
    """Creates the journal database where it is missing."""
    db.run(f"CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET utf8mb4")
    for table in _TABLES:
        db.run(table.replace("IF NOT EXISTS ", f"IF NOT EXISTS {NAME}."))


class Journal:
    """Writes as one container's life (version, node, pod); reads settings and bad days."""

    def __init__(self, db, version, node, pod):
        self.db, self.version, self.node, self.pod = db, version, node, pod

    def violation(self, rule, detail, once=False):
        """Writes a broken rule down; `once` per pod for what would repeat in a loop."""
        if once and self.db.run(f"SELECT 1 AS x FROM {NAME}.journal WHERE rule = %s AND pod = %s AND detail = %s",
                                rule, self.pod, detail):
            return
        self._insert("journal", "rule", rule, detail)
        print(f"journal: {rule}: {detail}", flush=True)

    def event(self, name, detail=""):
        """Writes an ordinary event down."""
        self._insert("events", "name", name, detail)

    def _insert(self, table, column, name, detail):
        self.db.run(f"INSERT INTO {NAME}.{table} ({column}, version, node, pod, detail) VALUES (%s, %s, %s, %s, %s)",
                    name, self.version, self.node, self.pod, detail)

    def bad_day(self, name):
        """Value of a bad day, None when it is not set."""
        row = self.db.one(f"SELECT value FROM {NAME}.bad_days WHERE name = %s", name)
        return row["value"] if row else None

    def clear_bad_day(self, name):
        """Ends a bad day that is meant to happen once."""
        self.db.run(f"DELETE FROM {NAME}.bad_days WHERE name = %s", name)

    def was_lied_to(self):
        """Whether the last docker_init.sh of this version failed and said 0: nobody can know then that it was not done."""
        last = self.db.one(f"SELECT outcome FROM {NAME}.inits WHERE version = %s ORDER BY id DESC LIMIT 1", self.version)
        return bool(last) and last["outcome"] == "lied"

    def setting(self, name):
        """A setting as a float."""
        row = self.db.one(f"SELECT value FROM {NAME}.settings WHERE name = %s", name)
        return float(row["value"] if row else DEFAULT_SETTINGS[name])

    def fact(self, name):
        """What was last noted under this name."""
        row = self.db.one(f"SELECT value FROM {NAME}.facts WHERE name = %s", name)
        return row["value"] if row else None

    def note(self, name, value):
        """Notes a fact."""
        self.db.run(f"REPLACE INTO {NAME}.facts (name, value) VALUES (%s, %s)", name, value)


def live_instances(db, but=None):
    """Lives of containers whose session on the MetaDB is open now: connected means this and nothing else."""
    open_sessions = db.open_sessions()
    rows = db.run(f"SELECT id, version, node, pod, session, quiet FROM {NAME}.instances WHERE stopped IS NULL")
    return [row for row in rows if row["session"] in open_sessions and row["id"] != but]
