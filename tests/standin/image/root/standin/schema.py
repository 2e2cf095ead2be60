"""The tables of the three databases before 4.0.0-ce, what later versions make of them, and which version they are in.

Documented names: oms_normal_config, oms_project, oms_sync_project, cluster_info, oms_version (rm);
host, resource_group, config_job (cm); heart_beat, heatbeat_sequence (heartbeat, spelt so).
All other tables, and most columns, are the stand-in's own: the real ones are not public.
"""

import json

import identity
from metadb import column_exists, table_exists

MIGRATING = "migrating"

RM = (
    "CREATE TABLE IF NOT EXISTS {rm}.oms_normal_config (cfg_name VARCHAR(128) PRIMARY KEY, cfg_value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {rm}.oms_version (version VARCHAR(32) PRIMARY KEY,"
    " gmt_modified TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))",
    """CREATE TABLE IF NOT EXISTS {rm}.oms_project (id VARCHAR(32) PRIMARY KEY, project_name VARCHAR(128) NOT NULL,
       project_status VARCHAR(20) NOT NULL, importance VARCHAR(10) NOT NULL, current_step VARCHAR(40) NOT NULL,
       enable_incr_sync INT NOT NULL, enable_reverse_incr_sync INT NOT NULL, options JSON,
       gmt_created TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), UNIQUE KEY uk_project_name (project_name))""",
    """CREATE TABLE IF NOT EXISTS {rm}.oms_sync_project (id VARCHAR(32) PRIMARY KEY, project_name VARCHAR(128) NOT NULL,
       project_status VARCHAR(20) NOT NULL, current_step VARCHAR(40) NOT NULL, enable_incr_sync INT NOT NULL,
       ddl_sync INT NOT NULL, options JSON, gmt_created TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))""",
    """CREATE TABLE IF NOT EXISTS {rm}.oms_project_object (id BIGINT AUTO_INCREMENT PRIMARY KEY,
       project_id VARCHAR(32) NOT NULL, object_name VARCHAR(200) NOT NULL, rows_per_second DECIMAL(18,6),
       checked_at TIMESTAMP(6) NULL, remark VARCHAR(200), sample BLOB,
       KEY k_object_name (object_name(40)),
       CONSTRAINT fk_object_project FOREIGN KEY (project_id) REFERENCES {rm}.oms_project (id))""",
    "CREATE TABLE IF NOT EXISTS {rm}.oms_user (name VARCHAR(64) PRIMARY KEY, role VARCHAR(20) NOT NULL,"
    " salt VARCHAR(32) NOT NULL, password_digest VARCHAR(64) NOT NULL)",
    """CREATE TABLE IF NOT EXISTS {rm}.oms_audit_log (id BIGINT AUTO_INCREMENT PRIMARY KEY,
       at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), actor VARCHAR(64) NOT NULL,
       cost DECIMAL(20,8) NOT NULL, detail TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS {rm}.cluster_info (id BIGINT AUTO_INCREMENT PRIMARY KEY, region VARCHAR(64) NOT NULL,
       region_cn VARCHAR(64), cm_url VARCHAR(200) NOT NULL, code INT NOT NULL, is_default_cm INT NOT NULL)""",
    "CREATE OR REPLACE VIEW {rm}.oms_project_overview AS SELECT p.id, p.project_name, p.project_status,"
    " COUNT(o.id) AS objects FROM {rm}.oms_project p LEFT JOIN {rm}.oms_project_object o ON o.project_id = p.id"
    " GROUP BY p.id, p.project_name, p.project_status",
)

CM = (
    "CREATE TABLE IF NOT EXISTS {cm}.resource_group (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64) NOT NULL)",
    """CREATE TABLE IF NOT EXISTS {cm}.host (id BIGINT AUTO_INCREMENT PRIMARY KEY, ip VARCHAR(64) NOT NULL,
       host_status VARCHAR(20) NOT NULL, resource_group_id BIGINT NOT NULL,
       gmt_modified TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), UNIQUE KEY uk_ip (ip))""",
    """CREATE TABLE IF NOT EXISTS {cm}.config_job (id BIGINT AUTO_INCREMENT PRIMARY KEY, job_name VARCHAR(128) NOT NULL,
       `key` VARCHAR(128) NOT NULL, value TEXT NOT NULL, UNIQUE KEY uk_job_key (job_name, `key`))""",
    """CREATE TABLE IF NOT EXISTS {cm}.oms_store (name VARCHAR(128) PRIMARY KEY, subtopic VARCHAR(128) NOT NULL,
       project_id VARCHAR(32) NOT NULL, host_ip VARCHAR(64) NOT NULL, status VARCHAR(20) NOT NULL,
       start_ts BIGINT NOT NULL, fetched_ts BIGINT NOT NULL, created_by VARCHAR(20) NOT NULL,
       boot BIGINT NOT NULL, KEY k_subtopic (subtopic))""",
    """CREATE TABLE IF NOT EXISTS {cm}.oms_connector (name VARCHAR(128) PRIMARY KEY, kind VARCHAR(20) NOT NULL,
       link VARCHAR(20) NOT NULL, project_id VARCHAR(32) NOT NULL, subtopic VARCHAR(128) NOT NULL,
       host_ip VARCHAR(64) NOT NULL, status VARCHAR(20) NOT NULL, checkpoint_ts BIGINT NOT NULL, boot BIGINT NOT NULL)""",
)

HB = (
    """CREATE TABLE IF NOT EXISTS {hb}.heart_beat (id BIGINT AUTO_INCREMENT PRIMARY KEY, task_type VARCHAR(32) NOT NULL,
       task_name VARCHAR(64) NOT NULL, host_ip VARCHAR(64) NOT NULL,
       gmt_created TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
       gmt_modified TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), UNIQUE KEY uk_task (task_name, host_ip))""",
    """CREATE TABLE IF NOT EXISTS {hb}.heatbeat_sequence (id BIGINT AUTO_INCREMENT PRIMARY KEY,
       gmt_created TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
       gmt_modified TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))""",
)

MARKER = "CREATE TABLE IF NOT EXISTS {db}.standin_schema (id INT PRIMARY KEY, version VARCHAR(20) NOT NULL)"


def create(db, version=identity.OLD):
    """Creates the three databases and the tables of a version before 4.0.0-ce where they are missing."""
    for role, tables in (("rm", RM), ("cm", CM), ("hb", HB)):
        # no server's default, so that a restore that forgets the collation is seen
        collation = "utf8mb4_bin" if role == "rm" else "utf8mb4_general_ci"
        db.run(f"CREATE DATABASE IF NOT EXISTS {{{role}}} CHARACTER SET utf8mb4 COLLATE {collation}")
        for table in tables:
            db.run(table)
        if marker(db, role) is None:
            set_marker(db, role, version)
    if not db.run("SELECT 1 AS x FROM {rm}.oms_version"):
        db.run("INSERT INTO {rm}.oms_version (version) VALUES (%s)", version.upper())


def set_marker(db, role, version):
    """Says which version one database is in."""
    db.run(MARKER.replace("{db}", f"{{{role}}}"))
    db.run(f"REPLACE INTO {{{role}}}.standin_schema (id, version) VALUES (1, %s)", version)


def marker(db, role):
    """Which version one database is in; None when it holds nothing of OMS."""
    if not table_exists(db, db.databases()[role], "standin_schema"):
        return None
    row = db.one(f"SELECT version FROM {{{role}}}.standin_schema")
    return row["version"] if row else None


def state(db):
    """A version when all three databases agree, 'none' when empty, else 'mixed'."""
    versions = {marker(db, role) for role in db.databases()}
    if versions == {None}:
        return "none"
    if len(versions) == 1 and versions <= set(identity.VERSIONS):
        return versions.pop()
    return "mixed"


def _add_column(db, role, table, column, definition):
    if not column_exists(db, db.databases()[role], table, column):
        db.run(f"ALTER TABLE {{{role}}}.{table} ADD COLUMN {column} {definition}")


def _migrate_rm(db):
    _add_column(db, "rm", "oms_project", "project_source", "VARCHAR(32) NOT NULL DEFAULT 'CONSOLE'")
    _add_column(db, "rm", "oms_sync_project", "importance", "VARCHAR(10) NOT NULL DEFAULT 'MEDIUM'")
    _add_column(db, "rm", "oms_sync_project", "project_source", "VARCHAR(32) NOT NULL DEFAULT 'CONSOLE'")
    db.run("UPDATE {rm}.oms_project SET project_source = 'UPGRADED'")
    db.run("UPDATE {rm}.oms_sync_project SET project_source = 'UPGRADED'")
    db.run("CREATE TABLE IF NOT EXISTS {rm}.oms_label (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
           " name VARCHAR(64) NOT NULL, UNIQUE KEY uk_name (name))")
    if not db.run("SELECT 1 AS x FROM {rm}.oms_label WHERE name = 'upgraded'"):
        db.run("INSERT INTO {rm}.oms_label (name) VALUES ('upgraded')")
    if not db.run("SELECT 1 AS x FROM {rm}.oms_normal_config WHERE cfg_name = 'ha.config'"):
        # what a version without high availability did not have [inference]
        db.run("INSERT INTO {rm}.oms_normal_config (cfg_name, cfg_value) VALUES ('ha.config', %s)",
               json.dumps({"enable": False, "enableStore": True, "refetchStoreIntervalMin": 30}))
    db.run("REPLACE INTO {rm}.oms_normal_config (cfg_name, cfg_value)"
           " VALUES ('alarm.thresholds.delayThreshold', '{\"HIGH\":30,\"MEDIUM\":300,\"LOW\":900}')")
    db.run("CREATE OR REPLACE VIEW {rm}.oms_project_overview AS SELECT p.id, p.project_name, p.project_status,"
           " p.project_source, COUNT(o.id) AS objects FROM {rm}.oms_project p LEFT JOIN {rm}.oms_project_object o"
           " ON o.project_id = p.id GROUP BY p.id, p.project_name, p.project_status, p.project_source")


def _migrate_cm(db):
    _add_column(db, "cm", "oms_connector", "db_type", "VARCHAR(32) NULL")
    db.run("UPDATE {cm}.oms_connector c SET db_type = (SELECT MAX(j.value) FROM {cm}.config_job j"
           " WHERE j.job_name = c.name AND j.`key` IN ('sourceFile.dbType', 'sourceFile.db_type'))")
    _add_column(db, "cm", "oms_store", "engine", "VARCHAR(32) NOT NULL DEFAULT 'store-4'")
    db.run("CREATE TABLE IF NOT EXISTS {cm}.oms_checker (name VARCHAR(128) PRIMARY KEY, task_type VARCHAR(20) NOT NULL)")


def _migrate_hb(db):
    _add_column(db, "hb", "heart_beat", "version", "VARCHAR(20) NULL")
    db.run("CREATE TABLE IF NOT EXISTS {hb}.heart_beat_history (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
           " host_ip VARCHAR(64) NOT NULL, missed INT NOT NULL)")


def _migrate_rm_again(db):
    _add_column(db, "rm", "oms_project", "tags", "VARCHAR(200) NULL")
    db.run("CREATE TABLE IF NOT EXISTS {rm}.oms_tag (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
           " name VARCHAR(64) NOT NULL, UNIQUE KEY uk_name (name))")


def _migrate_cm_again(db):
    # documented name: scale-out page of V4.1.0
    db.run("CREATE TABLE IF NOT EXISTS {cm}.location_cm (id BIGINT AUTO_INCREMENT PRIMARY KEY, cm_url VARCHAR(200) NOT NULL)")


def _migrate_hb_again(db):
    _add_column(db, "hb", "heart_beat", "zone", "VARCHAR(20) NULL")


# What docker_init.sh of a version does to the databases of the one before.
MIGRATIONS = (
    ("4.0.0-ce", (("rm", _migrate_rm), ("cm", _migrate_cm), ("hb", _migrate_hb))),
    ("4.1.0-ce", (("rm", _migrate_rm_again), ("cm", _migrate_cm_again), ("hb", _migrate_hb_again))),
)


def list_migrations(state, version):
    """(version, role, step) of all that lies between a schema and a version; from the first where the schema is of no one
    version."""
    wanted = [(name, steps) for name, steps in MIGRATIONS if identity.rank(state) < identity.rank(name) <= identity.rank(version)]
    # A run of this version upon its own schema repeats its part.
    wanted = wanted or [entry for entry in MIGRATIONS if entry[0] == version]
    return [(name, role, step) for name, steps in wanted for role, step in steps]


def migrate(db, version, role, step):
    """Takes one database to a version; repeatable after any interruption."""
    if marker(db, role) != version:
        set_marker(db, role, MIGRATING)
    step(db)
    set_marker(db, role, version)
    if role == "hb":
        db.run("DELETE FROM {rm}.oms_version")
        db.run("INSERT INTO {rm}.oms_version (version) VALUES (%s)", version.upper())
