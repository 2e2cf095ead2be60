"""The MetaDB by the `mariadb` or `mysql` client: rows, and digests of whole databases.

Writes only what it is told to; the password is in an option file that nobody else can read, never in an argument.
"""

import hashlib
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
SECONDS = 300  # for one statement
# Rows of these change while OMS runs, whatever happens else.
VOLATILE = ("heart_beat", "heatbeat_sequence", "host")
DATABASES = {"rm": "oms_rm", "cm": "oms_cm", "hb": "oms_cm_hb"}


class SqlError(Exception):
    """What the server or the client said."""


class MetaDb:
    """One account on one server; each statement is a session of its own."""

    def __init__(self, host, port, user, password, folder, prefix=()):
        program = shutil.which("mariadb") or shutil.which("mysql")
        if program is None:
            raise SystemExit("neither mariadb nor mysql is in PATH: install a client (Debian: mariadb-client)")
        self.host, self.port, self.user = host, int(port), user
        options = os.path.join(folder, "client.cnf")
        with open(os.open(options, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"[client]\nhost={host}\nport={port}\nuser={_option(user)}\npassword={_option(password)}\n"
                       "protocol=tcp\ndefault-character-set=utf8mb4\n")
        self.command = [*prefix, program, f"--defaults-file={options}"]

    def _run(self, arguments, statement):
        result = subprocess.run([*self.command, *arguments], input=statement.encode(), capture_output=True,
                                timeout=SECONDS)
        if result.returncode != 0:
            lines = result.stderr.decode("utf-8", "replace").strip().splitlines() or ["the client said nothing"]
            # Before its error the client may repeat the statement.
            raise SqlError(next((line for line in lines if line.startswith("ERROR")), lines[-1]))
        return result.stdout

    def rows(self, statement):
        """Rows of one statement as dicts of texts; NULL is None. {rm}, {cm}, {hb} stand for the databases."""
        text = self._run(["--xml"], _name(statement)).decode("utf-8", "replace")
        if not text.strip():
            return []
        # A cell may hold what XML does not allow.
        text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", text)
        return [{field.get("name"): None if field.get(NIL) == "true" else field.text or "" for field in row}
                for row in ElementTree.fromstring(text).iter("row")]

    def run(self, statement):
        """A statement without rows."""
        self._run(["--batch"], _name(statement))

    def one(self, statement):
        """The first cell of the first row, None without a row."""
        rows = self.rows(statement)
        return next(iter(rows[0].values())) if rows else None

    def find_databases(self):
        """Which of the three are there: {role: name}."""
        names = {row["name"] for row in self.rows("SELECT schema_name AS name FROM information_schema.schemata")}
        return {role: name for role, name in DATABASES.items() if name in names}

    def columns(self, role, table):
        """Names of a table's columns in lower case; none where the table is not there."""
        return [row["name"].lower() for row in self.rows(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_schema ="
            f" '{DATABASES[role]}' AND table_name = '{table}' ORDER BY ordinal_position")]

    def sessions(self):
        """Who is connected, this look aside: [(account, database, client's host without port)], sorted, each once."""
        rows = self.rows("SELECT user AS user, host AS host, db AS db FROM information_schema.processlist"
                         " WHERE id <> CONNECTION_ID()")
        found = set()
        for row in rows:
            host = row["host"] or ""
            # seekdb writes NULL as a word.
            database = "" if row["db"] in (None, "NULL") else row["db"]
            found.add((row["user"] or "", database, host.rpartition(":")[0] or host))
        return sorted(one for one in found if one[0] != "event_scheduler")

    def read_ha(self):
        """The text of the row ha.config, None without a row."""
        return self.one("SELECT cfg_value AS v FROM {rm}.oms_normal_config WHERE cfg_name = 'ha.config'")

    def write_ha(self, text):
        """Writes it; as hexadecimal digits, so that nothing in it is taken for SQL."""
        self.run(f"UPDATE {{rm}}.oms_normal_config SET cfg_value = CONVERT(UNHEX('{text.encode().hex()}') USING utf8mb4)"
                 " WHERE cfg_name = 'ha.config'")

    def digest(self):
        """{database.table: {"made": digest of its definition, "rows": digest of its rows in any order}}."""
        found = {}
        for role in self.find_databases():
            for row in self.rows("SELECT table_name AS name, table_type AS kind FROM information_schema.tables"
                                 f" WHERE table_schema = '{DATABASES[role]}'"):
                name = f"{{{role}}}.`{row['name']}`"
                made = list(self.rows(f"SHOW CREATE TABLE {name}")[0].values())[1] or ""
                found[f"{role}.{row['name']}"] = {
                    "made": hashlib.sha256(re.sub(r"AUTO_INCREMENT=\d+ ?", "", made, flags=re.I).encode()).hexdigest(),
                    "rows": self._digest_rows(name) if "VIEW" not in row["kind"].upper() else None}
        return found

    def _digest_rows(self, name):
        lines = self._run(["--batch", "--skip-column-names", "--quick"], _name(f"SELECT * FROM {name}")).split(b"\n")
        digests = (int.from_bytes(hashlib.sha256(line).digest()[:16], "big") for line in lines if line)
        return f"{len(lines) - 1}:{sum(digests) % 2 ** 128:032x}"


def find_changes(before, after):
    """What differs between two digests: (tables made otherwise, tables with other rows, the latter without VOLATILE)."""
    made = sorted(name for name in before.keys() | after.keys()
                  if before.get(name, {}).get("made") != after.get(name, {}).get("made"))
    rows = sorted(name for name in before.keys() & after.keys()
                  if before[name]["rows"] != after[name]["rows"] and name.partition(".")[2] not in VOLATILE)
    return made, rows


def _name(statement):
    for role, name in DATABASES.items():
        statement = statement.replace(f"{{{role}}}", f"`{name}`")
    return statement


def _option(text):
    """A value in an option file: quoted, with the escapes that its parser knows."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
