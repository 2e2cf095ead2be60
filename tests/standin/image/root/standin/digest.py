"""Content digests by a reader of our own: every row of every table, nothing left out.

The server turns each row into one MD5 over all its columns; the sorted MD5s of a table are hashed here,
so that order of rows and dump format do not matter. Views are digested by what they show.
"""

import hashlib

# What the programs of OMS change all the time while they run.
VOLATILE = ("heart_beat", "heatbeat_sequence", "host", "oms_store", "oms_connector")

_BINARY = ("blob", "tinyblob", "mediumblob", "longblob", "binary", "varbinary", "bit")


def tables(db, database):
    """Names of tables and views of one database."""
    rows = db.run("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = %s"
                  " ORDER BY table_name", database)
    return sorted(row["name"] for row in rows)


def digest_table(db, database, table, condition="1 = 1"):
    """{rows, columns, sha256} of one table."""
    columns = db.run("SELECT column_name AS name, LOWER(data_type) AS type FROM information_schema.columns"
                     " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position", database, table)
    parts = []
    for column in columns:
        name = "`" + column["name"].replace("`", "``") + "`"
        parts.append(f"IFNULL(HEX({name}), '~')" if column["type"] in _BINARY
                     else f"IFNULL(HEX(CONCAT('', {name})), '~')")
    quoted = "`{}`.`{}`".format(database.replace("`", "``"), table.replace("`", "``"))
    rows = db.run(f"SELECT MD5(CONCAT_WS('|', {', '.join(parts)})) AS m FROM {quoted} WHERE {condition}")
    names = [column["name"] for column in columns]
    total = hashlib.sha256(repr(names).encode())
    for row in sorted(row["m"] for row in rows):
        total.update(row.encode())
    return {"rows": len(rows), "columns": names, "sha256": total.hexdigest()}


def digest_all(db):
    """{"database.table": digest} of the three databases."""
    return {f"{database}.{table}": digest_table(db, database, table)
            for database in db.databases().values() for table in tables(db, database)}


def digest_at_rest(db):
    """{"role.table": sha256} of what nobody may change while OMS is stopped.

    Left out: heatbeat_sequence, which the guide lets people trim, and the row of ha.config, which
    people without the console change by SQL at this very moment."""
    found = {}
    for role, database in db.databases().items():
        for table in tables(db, database):
            if table != "heatbeat_sequence":
                condition = "cfg_name <> 'ha.config'" if table == "oms_normal_config" else "1 = 1"
                found[f"{role}.{table}"] = digest_table(db, database, table, condition)["sha256"]
    return found


def differences(before, after):
    """Names of tables that differ, are new or are gone."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
