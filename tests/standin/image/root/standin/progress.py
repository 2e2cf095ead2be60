"""The data of the two documented progress calls; reads only."""


def _checkpoint(db, project, *links):
    row = db.one("SELECT MIN(checkpoint_ts) AS ts FROM {cm}.oms_connector WHERE project_id = %s AND link IN %s"
                 " AND status <> 'RELEASED'", project, links)
    return int(row["ts"]) if row and row["ts"] is not None else None


def describe(db, kind, project):
    """data of /migrations/{id}/progress or /sync/{id}/progress, None when there is no such project."""
    return _describe_migration(db, project) if kind == "migrations" else _describe_sync(db, project)


def _describe_migration(db, project):
    row = db.one("SELECT * FROM {rm}.oms_project WHERE id = %s", project)
    return row and {
        "status": row["project_status"], "importance": row["importance"], "enableStructMigration": True,
        "enableFullMigration": True, "enableIncrSync": bool(row["enable_incr_sync"]),
        "enableReverseIncrSync": bool(row["enable_reverse_incr_sync"]), "currentStep": row["current_step"],
        "structMigrationProgress": 100, "fullMigrationProgress": 100,
        "incrSyncCheckpoint": _checkpoint(db, project, "forward"),
        "reverseIncrSyncCheckpoint": _checkpoint(db, project, "reverse")}


def _describe_sync(db, project):
    row = db.one("SELECT * FROM {rm}.oms_sync_project WHERE id = %s", project)
    if row is None:
        return None
    checkpoint = _checkpoint(db, project, "sync")
    return {"status": row["project_status"], "enableStructSync": False, "enableFullSync": True,
            "enableIncrSync": bool(row["enable_incr_sync"]), "currentStep": row["current_step"],
            "structSyncProgress": None, "fullSyncProgress": 100,
            "incrSyncCheckpoint": None if checkpoint is None else str(checkpoint)}
