"""One connection to the MetaDB and the names of the databases in it."""

import threading
import time

import pymysql

CONNECTION_LOST = (0, 2003, 2006, 2013, 1053, 1927)


class MetaDb:
    """A session on the MetaDB that reconnects when it is lost; rows come as dicts."""

    def __init__(self, config, user=None, password=None, home=None):
        self.rm = config["drc_rm_db"]
        self.cm = config["drc_cm_db"]
        self.hb = config["drc_cm_heartbeat_db"]
        self._arguments = dict(
            host=str(config["oms_meta_host"]), port=int(config["oms_meta_port"]),
            user=user or str(config["oms_meta_user"]),
            # as bytes: pymysql would take a str for latin1
            password=str(password if user else config["oms_meta_password"]).encode(),
            charset="utf8mb4", autocommit=True, connect_timeout=5, read_timeout=600,
            cursorclass=pymysql.cursors.DictCursor)
        self._home = home and self.databases()[home]
        self._session = None
        self._lock = threading.RLock()

    def databases(self):
        """{role: name} of the three databases."""
        return {"rm": self.rm, "cm": self.cm, "hb": self.hb}

    def connect(self):
        """Opens the session; raises when the MetaDB is not there."""
        self._session = pymysql.connect(**self._arguments)
        if self._home:  # sessions of OMS are seen on its databases; before the first init there are none
            try:
                self._session.select_db(self._home)
            except pymysql.err.MySQLError:
                pass
        try:  # OceanBase ends queries after 10 s; ours on big tables may take longer
            self._session.cursor().execute("SET SESSION ob_query_timeout = 3600000000")
        except pymysql.err.MySQLError:
            pass  # MariaDB knows no such variable

    def connect_patiently(self, seconds):
        """Opens the session, waiting for a MetaDB that is still starting."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.connect()
            except pymysql.err.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def run(self, sql, *arguments):
        """Runs one statement, `{rm}`, `{cm}`, `{hb}` stand for the databases; returns its rows."""
        sql = sql.replace("{rm}", f"`{self.rm}`").replace("{cm}", f"`{self.cm}`").replace("{hb}", f"`{self.hb}`")
        with self._lock:
            if self._session is None:
                self.connect()
            try:
                return self._execute(sql, arguments)
            except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
                if error.args and error.args[0] not in CONNECTION_LOST:
                    raise
                self.close()
                self.connect()
                return self._execute(sql, arguments)

    def _execute(self, sql, arguments):
        with self._session.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return list(cursor.fetchall())

    def one(self, sql, *arguments):
        """First row or None."""
        rows = self.run(sql, *arguments)
        return rows[0] if rows else None

    def session(self):
        """Name of this session on the server; with the client's port, since ids begin anew with the server."""
        own = self.one("SELECT CONNECTION_ID() AS id")["id"]
        return next(name for name in self.open_sessions() if name.split()[0] == str(own))

    def open_sessions(self):
        """Names of the sessions that are open now."""
        return {f"{row['id']} {row['host']}" for row in
                self.run("SELECT id AS id, host AS host FROM information_schema.processlist")}

    def close(self):
        """Ends the session; the next statement opens another."""
        if self._session is not None:
            try:
                self._session.close()
            except pymysql.err.MySQLError:
                pass
            self._session = None


def table_exists(db, database, table):
    """True when the table or view is there."""
    return bool(db.run("SELECT 1 AS x FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
                       database, table))


def column_exists(db, database, table, column):
    """True when the column is there."""
    return bool(db.run("SELECT 1 AS x FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
                       " AND column_name = %s", database, table, column))
