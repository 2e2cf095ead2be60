"""Every source of the upgrade, also those without high availability and without an open API; and one upgrade after the other."""

import json

import checks
from api import condition, describe
from ctl import manifests
from lab import RELEASE
from registry import scenario
from upgrade import ATTESTED, QUICK, Upgrade

# The observer beside OMS, with its account.
EYE = ("python3", "/root/standin/eye.py", "--account", "/eye/account.json")
# Two components of the sample have no dbType in any version; before 3.3.1 that counts.
NO_DDL = [{"name": "ConnectorDbType", "policy": "Skip", "reason": "no DDL is synchronised"}]
# 3.2.2 tells nobody how far its projects are.
UNTOLD = [{"name": name, "policy": "Attest", "reason": "looked at in the console of 3.2.2"}
          for name in ("ProjectsInSync", "ForwardSwitchover")]


def install(lab, version):
    """An installation of another version than the usual one."""
    lab.load_standin(version)
    lab.install_oms(lab.engine, 4, "--fast", "--version", version)


def come_from(lab, version, **changes):
    """There and back from a version without high availability: on the way back nobody starts what OMS was running, so a person
    does, and is told what."""
    before = checks.Photo(lab)
    with Upgrade(lab, "from-" + version.replace(".", "-"), timeouts={**QUICK, "recovery": "30s"}, **changes) as upgrade:
        item = upgrade.wait_end("Succeeded", seconds=420)
        assert item["status"]["sourceVersion"] == version.upper(), describe(item)
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        told = upgrade.watch.wait("it is back, or asks", lambda item: item["status"].get("direction") == "RollBack" and (
            item["status"].get("stall") or (item["status"].get("phase") == "RolledBack" and upgrade.is_over(item))), 420, position)
        words = str(told["status"].get("openProjects")) + condition(told, "ReplicationRecovered")["message"]
        assert "startByName" in words or "could not be seen" in words, describe(told)
        started = json.loads(lab.in_eye(*EYE, "start-components"))["started"]
        assert started, "nothing was down"
        # It goes on by itself from where it stalls.
        upgrade.watch.wait("it is back", lambda item: item["status"].get("phase") == "RolledBack" and upgrade.is_over(item),
                           300, position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("source-3-3-0", reusable=False)
def source_330(lab):
    """3.3.0, which has no high availability: success; back, and a person starts what HA would have started."""
    install(lab, "3.3.0-ce")
    come_from(lab, "3.3.0-ce", checks=ATTESTED + NO_DDL)


@scenario("source-3-2-2", reusable=False)
def source_322(lab):
    """3.2.2, which has no open API either, and connectors without dbType: refused by name, attested; success, and back."""
    install(lab, "3.2.2-ce")
    with Upgrade(lab, "refused-322") as upgrade:
        plan = upgrade.wait_findings()["status"]["plan"]
        found = {check["name"] for check in plan["checks"] if check["outcome"] not in ("Passed", "Attested", "Skipped", "Warning")}
        assert "ConnectorDbType" in found and "ProjectsInSync" in found, found
        upgrade.delete()
    come_from(lab, "3.2.2-ce", checks=ATTESTED + NO_DDL + UNTOLD)


@scenario("two-hops", reusable=False)
def two_hops(lab):
    """3.3.1 to 4.0.0, then to 4.1.0: the first upgrade may not roll back any more, the second one does."""
    lab.load_standin(manifests.NEXT)
    with Upgrade(lab, "first-hop") as first:
        first.wait_end("Succeeded", seconds=420)
        before = checks.Photo(lab)
        with Upgrade(lab, "second-hop", image=manifests.IMAGE + manifests.NEXT) as second:
            item = second.wait_end("Succeeded", seconds=420)
            assert (item["status"]["sourceVersion"], item["status"]["targetVersion"]) == ("4.0.0-CE", "4.1.0-CE"), describe(item)
            checks.check_end(lab, second, before, "succeeded")
            position = first.ask("RollBack")
            told = first.watch.wait("it is refused", lambda item: item["status"].get("stall"), 180, position)
            assert second.uid in told["status"]["stall"]["message"], describe(told)
            # As the message says; it would go on looking, and nothing is called once the other one is settled.
            lab.kubectl("annotate", "omsup", "first-hop", RELEASE)
            first.delete()
            position = second.ask("RollBack")
            second.wait_end("RolledBack", seconds=420, after=position)
            checks.check_end(lab, second, before, "restored")
            second.delete()
