#!/usr/bin/python3
"""Writes what follows from the Lua files of deploy/argocd:

    deploy/argocd/argocd-cm.yaml                       the patch that brings them into Argo CD's ConfigMap
    deploy/argocd/oms.oceanbase.com/OmsUpgrade/…       test data and tests as Argo CD's own repository keeps them

    scripts/argocd.py              writes
    scripts/argocd.py --check      writes nothing; fails when one of them is not what its sources say

Sources: health.lua, actions/discovery.lua and actions/*/action.lua there; tests/gitops/states. May touch: deploy/argocd.
"""

import copy
import json
import os
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOME = os.path.join("deploy", "argocd")
KIND = os.path.join(HOME, "oms.oceanbase.com", "OmsUpgrade")
KEY = "oms.oceanbase.com_OmsUpgrade"
ACTIONS = ("approve", "plan-again", "retry", "pause", "resume", "abort", "rollback")
HEAD = "# Written by scripts/argocd.py. Do not edit.\n"


class Dumper(yaml.SafeDumper):
    """Texts of several lines as they are; no anchors."""

    def ignore_aliases(self, data):
        return True


def write_text(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, write_text)


def dump(value):
    return HEAD + yaml.dump(value, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def read_states():
    """Name of a state → (object, what has to be made of it)."""
    objects = {one["metadata"]["name"]: one for one in json.loads(read("tests/gitops/states/recorded.json"))}
    expected = yaml.safe_load(read("tests/gitops/states/expected.yaml"))
    if objects.keys() != expected.keys():
        sys.exit(f"argocd: recorded.json and expected.yaml of tests/gitops/states differ in {sorted(objects.keys() ^ expected.keys())}")
    return {name: (objects[name], expected[name]) for name in objects}


def build_config_map():
    """The keys of Argo CD's ConfigMap."""
    actions = {
        "discovery.lua": read(os.path.join(KIND, "actions", "discovery.lua")),
        "definitions": [{"name": name, "action.lua": read(os.path.join(KIND, "actions", name, "action.lua"))} for name in ACTIONS],
    }
    text = yaml.dump(actions, Dumper=Dumper, sort_keys=False, width=1000)
    return {"data": {f"resource.customizations.health.{KEY}": read(os.path.join(KIND, "health.lua")),
                     f"resource.customizations.actions.{KEY}": text}}


def tell_message(item):
    """What the condition Ready of an object says, once it speaks of its spec."""
    status = item["status"]
    told = [one["message"] for one in status.get("conditions", []) if one["type"] == "Ready"]
    return told[0] if told and status["observedGeneration"] == item["metadata"]["generation"] else "not looked at yet"


def find_patch(action, item):
    """What an action writes into the spec."""
    version = "argocd-" + item["metadata"]["resourceVersion"]
    return {
        "approve": lambda: {"approval": {**item["spec"]["approval"], "planHash": item["status"]["plan"]["hash"], "by": "Argo CD"}},
        "plan-again": lambda: {"planRequest": version},
        "retry": lambda: {"retryRequest": version},
        "pause": lambda: {"paused": True},
        "resume": lambda: {"paused": False},
        "abort": lambda: {"action": "Abort"},
        "rollback": lambda: {"action": "RollBack"},
    }[action]()


def find_refusal(action):
    """What an action says where it is not offered, taken out of its file."""
    text = read(os.path.join(KIND, "actions", action, "action.lua"))
    return text.partition('error("')[2].partition('"')[0]


def list_discovered(offered):
    """Every action as discovery.lua tells it, which also says how it is shown."""
    for name in ACTIONS:
        part = read(os.path.join(KIND, "actions", "discovery.lua")).partition(f'["{name}"] = {{')[2]
        shown = {key: part.partition(f'["{key}"] = "')[2].partition('"')[0] for key in ("displayName", "iconClass")}
        params = {"params": [{"name": "planHash"}]} if name == "approve" else {}
        yield {"name": name, "disabled": name not in offered, **shown, **params}


def build_tests():
    """Path → text of the tests, and of what they read."""
    files, health, discovery, acts, tried = {}, [], [], [], set()
    for name, (item, expected) in read_states().items():
        if not expected.get("sample"):
            continue
        files[os.path.join(KIND, "testdata", f"{name}.yaml")] = dump(item)
        health.append({"inputPath": f"testdata/{name}.yaml",
                       "healthStatus": {"status": expected["argocd"], "message": tell_message(item)}})
        given = f"../testdata/{name}.yaml"
        discovery.append({"inputPath": given, "result": list(list_discovered(expected["actions"]))})
        for action in ACTIONS:
            if action not in expected["actions"]:
                if (action, False) not in tried:
                    acts.append({"action": action, "inputPath": given, "expectedErrorMessage": find_refusal(action)})
                    tried.add((action, False))
            elif (action, True) not in tried:
                tried.add((action, True))
                made = copy.deepcopy(item)
                made["spec"].update(find_patch(action, item))
                files[os.path.join(KIND, "actions", "testdata", f"{name}-{action}.yaml")] = dump(made)
                acts.append({"action": action, "inputPath": given, "expectedOutputPath": f"testdata/{name}-{action}.yaml"})
    if len(tried) != 2 * len(ACTIONS):
        sys.exit(f"argocd: among the samples of expected.yaml is no state for {sorted(set(ACTIONS) - {name for name, _ in tried})}")
    files[os.path.join(KIND, "health_test.yaml")] = dump({"tests": health})
    files[os.path.join(KIND, "actions", "action_test.yaml")] = dump({"discoveryTests": discovery, "actionTests": acts})
    return files


def list_written():
    """Paths of the files that this script wrote, now or before."""
    for folder, _, names in os.walk(os.path.join(ROOT, HOME)):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if name.endswith(".yaml") and read(path).startswith(HEAD):
                yield path


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(f"argocd: unknown options {' '.join(sys.argv[1:])}")
    files = {os.path.join(HOME, "argocd-cm.yaml"): dump(build_config_map()), **build_tests()}
    status = 0
    for path in sorted(set(list_written()) - files.keys()):
        status = 1
        print(f"argocd: {path} belongs to nothing any more" + ("; run scripts/argocd.py" if check else ""), file=sys.stderr)
        if not check:
            status = os.remove(os.path.join(ROOT, path)) or 0
    for path, text in files.items():
        whole = os.path.join(ROOT, path)
        if os.path.exists(whole) and read(path) == text:
            continue
        if check:
            status = 1
            print(f"argocd: {path} is not up to date; run scripts/argocd.py", file=sys.stderr)
        else:
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "w", encoding="utf-8") as file:
                file.write(text)
            print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main())
