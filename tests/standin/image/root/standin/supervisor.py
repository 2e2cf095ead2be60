"""oms_drc_supervisor: the node's heart beat, and the work of the components on this node.

A component lives in one container life (`boot`): after any restart those that ran are ABNORMAL, and nobody
but HA or a person starts them again. Checkpoints advance only while a Connector and its Store run.
"""

import time

import identity
import journal as journals
import schema
from metadb import MetaDb


def mark_abnormal(db, node, boot):
    """Components of earlier container lives on this node are dead."""
    for table in ("oms_store", "oms_connector"):
        db.run(f"UPDATE {{cm}}.{table} SET status = 'ABNORMAL'"
               " WHERE host_ip = %s AND boot <> %s AND status = 'RUNNING'", node, boot)


def beat(db, node):
    """One heart beat, and the row of heatbeat_sequence that each one costs."""
    db.run("INSERT INTO {hb}.heart_beat (task_type, task_name, host_ip) VALUES ('SUPERVISOR', 'supervisor', %s)"
           " ON DUPLICATE KEY UPDATE gmt_modified = NOW(6)", node)
    db.run("INSERT INTO {hb}.heatbeat_sequence (gmt_created) VALUES (NOW(6))")


def work(db, journal, node, boot, seconds):
    """Stores fetch, Connectors apply: as far as they run, and no further than the Store reaches."""
    now = int(time.time())
    stuck = journal.bad_day("stopped-project")
    lagging = (journal.bad_day("lagging-project") or "").partition(":")
    if stuck:
        for table in ("oms_store", "oms_connector"):
            db.run(f"UPDATE {{cm}}.{table} SET status = 'ABNORMAL' WHERE project_id = %s AND status = 'RUNNING'", stuck)
    db.run("UPDATE {cm}.oms_store SET fetched_ts = %s WHERE host_ip = %s AND boot = %s AND status = 'RUNNING'",
           now, node, boot)
    step = max(1, int(journal.setting("catch-up") * seconds))
    for connector in db.run("SELECT name, project_id, checkpoint_ts, subtopic FROM {cm}.oms_connector"
                            " WHERE host_ip = %s AND boot = %s AND status = 'RUNNING'", node, boot):
        held = db.run("SELECT 1 AS x FROM {cm}.oms_store WHERE subtopic = %s AND status = 'RUNNING' AND start_ts <= %s",
                      connector["subtopic"], connector["checkpoint_ts"])
        target = now - 1
        if lagging[0] == connector["project_id"]:
            target = now - int(lagging[2] or 3600)
        if held and target != connector["checkpoint_ts"]:
            reached = min(target, connector["checkpoint_ts"] + step)
            db.run("UPDATE {cm}.oms_connector SET checkpoint_ts = %s WHERE name = %s", reached, connector["name"])


def main():
    config, node = identity.read_config(), identity.host_ip()
    boot, pod = identity.read_boot()
    db = MetaDb(config, home="hb")
    db.connect_patiently(30)
    journal = journals.Journal(db, identity.image_version(), node, pod)
    ready, last = False, time.time()
    while True:
        pause = 1.0
        try:
            pause = journal.setting("tick-seconds")
            if schema.state(db) != journal.version:
                print("waiting for docker_init.sh", flush=True)
            else:
                if not ready:
                    mark_abnormal(db, node, boot)
                    ready = True
                beat(db, node)
                work(db, journal, node, boot, max(0.0, time.time() - last))
            last = time.time()
        except Exception as error:
            print(f"supervisor: {error}", flush=True)
        time.sleep(pause)


if __name__ == "__main__":
    main()
