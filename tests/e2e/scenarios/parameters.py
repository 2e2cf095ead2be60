"""What HA is after an upgrade and after a way back, where a person says so: its parameters, and that it stays off."""

import json

import checks
from api import describe
from registry import scenario
from upgrade import QUICK, Upgrade

# In the types that OMS documents; the row of the sample lacks the last one.
PARAMETERS = {"enableHost": True, "subtopicStoreNumberThreshold": 8, "refetchStoreIntervalMin": 45}
EYE = ("python3", "/root/standin/eye.py", "--account", "/eye/account.json")


@scenario("ha-parameters")
def ha_parameters(lab):
    """Parameters of HA come with the upgrade and go with the rollback, after which HA stays off because a person wants it so."""
    before = checks.Photo(lab)
    of_old = before.ha
    with Upgrade(lab, "ha-parameters", ha={"parameters": PARAMETERS, "rollbackGoal": "Disabled"},
                 timeouts={**QUICK, "recovery": "40s"}) as upgrade:
        # They stand in the plan until it begins.
        planned = upgrade.watch.wait("a plan", lambda item: item.get("status", {}).get("plan", {}).get("steps"), 240)
        steps = "\n".join(planned["status"]["plan"]["steps"])
        assert '"subtopicStoreNumberThreshold": 8' in steps and "Disabled" in steps, steps
        upgrade.wait_end("Succeeded", seconds=420)
        before.ha = {**of_old, **PARAMETERS}
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        # HA starts nothing: a person does, and is told what.
        told = upgrade.watch.wait("it asks", lambda item: item["status"].get("direction") == "RollBack"
                                  and item["status"].get("stall"), 420, position)
        assert "HA is off" in str(told["status"].get("openProjects")), describe(told)
        assert json.loads(lab.in_eye(*EYE, "start-components"))["started"], "nothing was down"
        # It goes on by itself from where it stalls.
        upgrade.watch.wait("it is back", lambda item: item["status"].get("phase") == "RolledBack" and upgrade.is_over(item),
                           300, position)
        before.ha = {**of_old, "enable": False}
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()
    # As the next scenario wants to find it.
    lab.sql("UPDATE {rm}.oms_normal_config SET cfg_value = REPLACE(cfg_value, '\"enable\": false', '\"enable\": true')"
            " WHERE cfg_name = 'ha.config'")
