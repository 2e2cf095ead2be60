"""What an upgrade leaves behind: told, kept, and dropped when its time is over."""

import checks
from api import condition, is_true
from registry import scenario
from upgrade import Upgrade


def list_copies(item):
    """The safety copies that a status names."""
    return [left for left in item["status"].get("leftovers", []) if left["kind"] == "SafetyCopy"]


@scenario("safety-copies")
def safety_copies(lab):
    """A restore keeps what it replaced; the status says where; a shorter time drops it, and nothing else, while OMS runs."""
    before = checks.Photo(lab)
    lab.bad_day("init-fails-half-way")
    with Upgrade(lab, "safety-copies") as upgrade:
        planned = upgrade.watch.wait("plan", lambda item: item.get("status", {}).get("plan", {}).get("leaves"), 180)
        leaves = str(planned["status"]["plan"]["leaves"])
        assert "claim oms-backup" in leaves and "__omsnew_" in leaves, leaves
        item = upgrade.wait_end("RolledBack", seconds=420)
        lab.bad_day("--clear")
        checks.check_end(lab, upgrade, before, "restored")
        names = sorted(left["name"] for left in list_copies(item))
        kept = checks.Photo(lab, before.columns)
        assert len(names) == 3 and set(names) <= kept.schemas - before.schemas, f"{names}: {kept.schemas - before.schemas}"
        assert all(left.get("keptUntilTime") and "droppedTime" not in left for left in list_copies(item)), list_copies(item)
        assert [left["place"] for left in item["status"]["leftovers"] if left["kind"] == "Backup"] == ["claim oms-backup"]
        assert f"DROP DATABASE `{names[0]}`" in condition(item, "Ready")["message"]

        position = len(upgrade.watch.states)
        upgrade.patch(cleanup={"safetyCopies": "1s"})
        item = upgrade.watch.wait("copies dropped", lambda item: item["status"].get("settled") and all(
            left.get("droppedTime") for left in list_copies(item)), 180, position)
        assert item["status"]["phase"] == "RolledBack" and is_true(item, "RolledBack"), item["status"]
        assert not is_true(item, "TargetContended") and "stall" not in item["status"], item["status"]
        jobs = [name for name in upgrade.jobs() if "-drop-safety-copies-" in name]
        assert len(jobs) == 1, jobs
        checks.check_end(lab, upgrade, before, "restored")
        after = checks.Photo(lab, before.columns)
        assert after.schemas == before.schemas, f"left: {after.schemas - before.schemas}"
        events = lab.kubectl("events", "--for", f"omsupgrade/{upgrade.name}")
        assert "SafetyCopiesDropped" in events, events
        upgrade.delete()
