"""An OMS of docker's comes to Kubernetes as docs/oms-on-kubernetes.md says, and is upgraded there.

No docker runs here: what `docker inspect` would print is written down, and the directories that docker mounted are those that the old
version has filled before.
"""

import base64
import json
import os
import shutil
import subprocess

import checks
from api import Watch, condition
from ctl import manifests
from lab import ROOT
from processes import poll
from reader import Reader
from registry import scenario
from scenarios.owners import find_node
from upgrade import Upgrade

PAGE = "docs/oms-on-kubernetes.md"
OLD = "registry.example.com/oms:feature_3.3.1-ce"
NEW = "registry.example.com/oms:feature_4.0.0-ce"
# The program as scripts/build-images.sh put it into the image.
BINARY = os.path.join(ROOT, ".cache", "image-context", "dev", "oms-operator")
OBJECTS = ("deployment/oms", "pvc/oms-logs", "pvc/oms-store", "pvc/oms-run", "secret/oms-config")


class Applied(Upgrade):
    """An upgrade that a person applies as it was printed."""

    def __init__(self, lab, reader):
        super().__init__(lab, "to-4-0-0")
        self.reader, self.image = reader, NEW

    def create(self):
        self.watch = Watch(self.lab.api, self.lab.namespace, self.name)
        self.mark = self.lab.audit.mark()
        self.reader.follow(PAGE, "kubectl apply -f oms.yaml")
        item = self.watch.wait("the plan", lambda item: item.get("status", {}).get("phase") == "Planned", 300)
        self.uid = item["metadata"]["uid"]


def move_to_docker(lab, place):
    """OMS stops, and what its claims held lies in directories of the node; its objects go."""
    config = base64.b64decode(lab.get("secret", "oms-config")["data"]["config.yaml"]).decode()
    lab.kubectl("delete", "deployment", "oms", "--cascade=foreground", "--wait", "--timeout=120s")
    for volume in lab.get("pv")["items"]:
        claim = volume["spec"].get("claimRef", {})
        if claim.get("namespace") == lab.namespace and claim["name"] in ("oms-logs", "oms-store", "oms-run"):
            target = os.path.join(place, claim["name"].replace("-", "_"))
            shutil.copytree(volume["spec"]["hostPath"]["path"], target, symlinks=True)
            shutil.copystat(volume["spec"]["hostPath"]["path"], target)
    lab.kubectl("delete", *OBJECTS[1:], "--wait", "--timeout=60s")
    return config


def find_place(lab):
    """A directory of the node beside its volumes."""
    [path] = [volume["spec"]["hostPath"]["path"] for volume in lab.get("pv")["items"]
              if volume["spec"].get("claimRef", {}).get("name") == "oms-logs"]
    return os.path.join(os.path.dirname(path), "docker-oms")


def write_inspect(place, address):
    """What `docker inspect oms` prints, cut to what it says of the container."""
    mounts = {"oms_logs": "/home/admin/logs", "oms_store": "/home/ds/store", "oms_run": "/home/ds/run"}
    points = [{"Type": "bind", "Source": os.path.join(place, name), "Destination": path, "Mode": "", "RW": True, "Propagation": "rprivate"}
              for name, path in mounts.items()]
    points.append({"Type": "bind", "Source": "/data/config.yaml", "Destination": "/home/admin/conf/config.yaml", "Mode": "", "RW": True})
    return json.dumps([{
        "Id": "4fa6e0f0c678", "Name": "/oms", "Image": "sha256:5d0d", "State": {"Status": "running"},
        "Config": {"Hostname": "box", "Image": "oboms/oms-all-in-one:feature_3.3.1-ce", "Tty": True, "OpenStdin": True, "Cmd": ["bash"],
                   "Env": [f"OMS_HOST_IP={address}", "PATH=/usr/bin:/bin"]},
        "HostConfig": {"NetworkMode": "host", "Privileged": True, "PidsLimit": -1, "NanoCpus": 0, "Memory": 1 << 30, "MemoryReservation": 1 << 28,
                       "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}, "Ulimits": [{"Name": "nproc", "Hard": 65535, "Soft": 65535}],
                       "Binds": [f"{point['Source']}:{point['Destination']}" for point in points]},
        "Mounts": points}], indent=4)


def fill_in(reader):
    """What the marks ask for; that nothing else is asked."""
    asked = reader.follow(PAGE, "grep -n 'CHANGE ME' oms.yaml").splitlines()
    [line] = [one.split(":", 1)[1] for one in asked if not one.split(":", 1)[1].startswith("#")]
    assert line.strip().startswith('cpu: "5" # CHANGE ME: '), asked
    text = reader.read("oms.yaml")
    for words in ("docker update --restart=no oms\n", "docker stop oms\n", "create secret generic oms-config", "--restart always: ", "PATH: "):
        assert words in text, f"the notes do not say {words!r}:\n{text}"
    reader.write("oms.yaml", text.replace(line, line.split("cpu:")[0] + "cpu: 100m"))


def check_samples(lab):
    """The API server takes the samples of OMS as they stand there."""
    for name in ("oms.yaml", "config-secret.yaml"):
        lab.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", os.path.join(ROOT, "deploy", "samples", "oms", name))


def import_oms(reader, place):
    """The page, from the manifests to an OMS that replicates on the data of before."""
    lab = reader.lab
    node, address = find_node(lab)
    reader.write("oms.json", write_inspect(place, address))
    program = ("docker run --rm -i registry.example.com/oms-operator:0.1.0", BINARY)
    reader.follow(PAGE, "docker run --rm -i", replace=[program, ("node1", node)])
    fill_in(reader)
    reader.follow(PAGE, "kubectl label namespace")
    reader.follow(PAGE, "kubectl create secret generic oms-config", replace=[("/data/config.yaml", "config.yaml")])
    reader.follow(PAGE, "kubectl apply -l app=oms")
    reader.follow(PAGE, "kubectl rollout status -n oms")
    lab.wait_serving()


def clean_up(lab, place):
    """What the import made; its volumes keep what they hold, so that goes by hand."""
    lab.remove_upgrades()
    lab.kubectl("delete", *OBJECTS, "--ignore-not-found", "--wait", "--timeout=120s")
    poll("pods of OMS gone", lambda: not lab.get("pods", "-l", "app=oms")["items"], 60)
    volumes = [f"pv/{lab.namespace}-oms-{name}" for name in ("logs", "store", "run")]
    lab.kubectl("delete", *volumes, "--ignore-not-found", "--wait", "--timeout=60s")
    shutil.rmtree(place, ignore_errors=True)
    # Of another type than the stand-in's own, and a type cannot be changed.
    lab.kubectl("delete", "secret", "oms-console", "--ignore-not-found")


@scenario("imported-from-docker", fresh=True, reusable=False)
def imported(lab):
    """What docker says of its OMS is imported; OMS serves on the same directories, goes back as the page says, and the printed upgrade succeeds."""
    before = lab.state()["projects"]
    place = find_place(lab)
    with Reader(lab) as reader:
        lab.name_image(manifests.IMAGE + manifests.OLD, OLD)
        try:
            reader.write("config.yaml", move_to_docker(lab, place))
            check_samples(lab)
            import_oms(reader, place)
            assert lab.state()["projects"].keys() == before.keys(), "other projects than before"
            marks = subprocess.run(["find", place, "-maxdepth", "2", "-newer", os.path.join(reader.folder.name, "oms.json"), "-type", "f"],
                                   capture_output=True, text=True, check=True).stdout
            assert marks, "OMS writes nothing into the directories of docker"
            reader.follow(PAGE, "kubectl scale -n oms")
            reader.follow(PAGE, "kubectl wait -n oms pod")
            lab.kubectl("scale", "deployment", "oms", "--replicas=1")
            lab.wait_serving()
            lab.kubectl("delete", "secret", "oms-console")
            reader.follow("docs/accounts.md", "printf %s \"$PASSWORD\" | kubectl create secret generic oms-console",
                          PASSWORD=manifests.CONSOLE["password"])
            upgrade_imported(lab, reader)
        finally:
            clean_up(lab, place)


def upgrade_imported(lab, reader):
    """The printed plan finds nothing, and runs to its end."""
    photo = checks.Photo(lab)
    with Applied(lab, reader) as upgrade:
        item = upgrade.watch.last()
        passed = condition(item, "PreflightPassed")
        assert passed["status"] == "True", passed["message"]
        reader.follow("README.md", "kubectl patch omsup")
        # Its limits are the defaults that a printed plan has, not the short ones of the other scenarios.
        upgrade.wait_end("Succeeded", 900)
        checks.check_end(lab, upgrade, photo, "succeeded")
