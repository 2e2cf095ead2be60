"""Wrong input: refused by the API server, or by preflight before anything is touched, with field and way out named."""

import json
import subprocess
from dataclasses import dataclass, field

import checks
import installation
from api import ApiError, condition, is_true
from ctl import manifests
from processes import poll
from registry import scenario
from upgrade import Upgrade

LIMITED = """
import json, sys
sys.path.insert(0, "/root/standin")
import identity, metadb
given = json.load(sys.stdin)
db = metadb.MetaDb(identity.read_config())
db.connect_patiently(30)
for statement in given["statements"]:
    db.run(statement, *given["values"])
"""


@dataclass(frozen=True)
class Wrong:
    """One wrong input: what differs from a good one, and what the refusal must say."""

    name: str
    words: tuple
    spec: dict = field(default_factory=dict)


AT_ADMISSION = (
    Wrong("no-targets", ("spec.targets",), {"targets": []}),
    Wrong("no-backup", ("spec.backup",), {"backup": None}),
    Wrong("space-in-image", ("spec.image",), {"image": "oms :4.0.0"}),
    Wrong("same-target-twice", ("spec.targets",), {"targets": [{"name": "oms"}, {"name": "oms"}]}),
    Wrong("unknown-kind", ("StatefulSet",), {"targets": [{"kind": "StatefulSet", "name": "oms"}]}),
    Wrong("two-credentials", ("metadb.credentialsSecretRef",),
          {"metadb": {"credentialsSecretRef": {"name": "x"}, "source": "Container"}}),
    Wrong("address-alone", ("metadb.databases",), {"metadb": {"address": {"host": "x", "port": 1}}}),
    Wrong("api-without-profile", ("ha.api",), {"ha": {"driver": "OmsApi"}}),
    Wrong("ha-parameter-of-the-pull-back", ("ha.parameters.refetchStoreIntervalMin",),
          {"ha": {"pullBack": {"method": "RefetchInterval"}, "parameters": {"refetchStoreIntervalMin": 60}}}),
    Wrong("ha-parameter-in-quotes", ("ha.parameters.subtopicStoreNumberThreshold",),
          {"ha": {"parameters": {"subtopicStoreNumberThreshold": "8"}}}),
    Wrong("skip-without-reason", ("reason",), {"checks": [{"name": "CgroupVersion", "policy": "Skip"}]}),
    Wrong("unknown-check", ("checks",), {"checks": [{"name": "Nothing", "policy": "Skip", "reason": "x"}]}),
    Wrong("bad-duration", ("spec.timeouts.init",), {"timeouts": {"init": "5 minutes"}}),
    Wrong("absurd-duration", ("spec.timeouts.backup",), {"timeouts": {"backup": "9999999999999999h"}}),
    Wrong("duration-above-the-bound", ("spec.timeouts.restore", "720h"), {"timeouts": {"restore": "721h"}}),
    Wrong("duration-of-nothing", ("spec.timeouts.stop", "1s"), {"timeouts": {"stop": "0s"}}),
    Wrong("long-name-of-target", ("spec.targets",), {"targets": [{"name": "a" * 254}]}),
)


@scenario("refused-at-admission", sample=True)
def refused_at_admission(lab):
    """The API server refuses what the schema and its rules forbid, and names the field."""
    for wrong in AT_ADMISSION:
        upgrade = Upgrade(lab, wrong.name, **wrong.spec)
        try:
            upgrade.create()
        except ApiError as error:
            for word in wrong.words:
                assert word in str(error), f"{wrong.name}: the refusal does not name {word}: {error}"
        else:
            raise AssertionError(f"{wrong.name}: the API server took it")
        finally:
            upgrade.watch.close()
    manifest = Upgrade(lab, "unknown-field").manifest
    manifest["spec"]["wobble"] = 1
    code, text = lab.try_kubectl("create", "--validate=strict", "-f", "-", stdin=json.dumps(manifest))
    assert code != 0 and "wobble" in text, f"an unknown field is taken: {text}"


def refuse(lab, name, words, seconds=120, **spec):
    """An upgrade that preflight refuses; nothing of OMS is changed. Its message."""
    with Upgrade(lab, name, **spec) as upgrade:
        item = upgrade.wait_findings(seconds)
        verdict = condition(item, "PreflightPassed")
        whole = verdict["message"] + json.dumps(item["status"].get("plan", {}).get("checks", []), ensure_ascii=False)
        for word in words:
            assert word in whole, f"{name}: the refusal does not say {word!r}: {whole}"
        assert "OMS and its databases were not changed" in verdict["message"], verdict["message"]
        upgrade.delete()
        return verdict["message"]


def make_decoy(lab, name, replicas=1, containers=1, paused=False, image="localhost/oms-standin:3.3.1-ce"):
    """A Deployment that only looks like OMS; it runs the pause image or nothing."""
    labels = {"app": name}
    lab.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": lab.namespace},
               "spec": {"replicas": replicas, "paused": paused, "selector": {"matchLabels": labels},
                        "template": {"metadata": {"labels": labels}, "spec": {
                            "terminationGracePeriodSeconds": 0, "enableServiceLinks": False,
                            "nodeSelector": {"no-node-has-this": "decoy"},
                            "containers": [{"name": f"c{number}", "image": image} for number in range(containers)]}}}})


@scenario("refused-targets", sample=True)
def refused_targets(lab):
    """Targets that are missing, ambiguous, paused, doubled, or up to date already."""
    decoys = {"decoy-many": {"containers": 2}, "decoy-two": {"replicas": 2}, "decoy-paused": {"paused": True}}
    for name, options in decoys.items():
        make_decoy(lab, name, **options)
    try:
        refuse(lab, "unknown-target", ("spec.targets[0].name", "nobody", "does not exist", lab.namespace), targets=[{"name": "nobody"}])
        refuse(lab, "several-containers", ("spec.targets[0].container", "several containers"), targets=[{"name": "decoy-many"}])
        refuse(lab, "no-such-container", ("spec.targets[0].container", "no container wrong"),
               targets=[{"name": "decoy-many", "container": "wrong"}])
        refuse(lab, "two-replicas", ("2 replicas", "exactly 1"), targets=[{"name": "decoy-two"}])
        refuse(lab, "paused-deployment", ("paused", "kubectl rollout resume deployment decoy-paused"),
               targets=[{"name": "decoy-paused"}])
        refuse(lab, "same-image", ("spec.image", "runs", "already"), image=manifests.IMAGE + manifests.OLD)
    finally:
        lab.kubectl("delete", "deployment", *decoys, "--wait=false")


@scenario("refused-claims")
def refused_claims(lab):
    """Claims that are missing or that the Job's user may not write."""
    lab.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "unwritable", "namespace": lab.namespace},
               "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "unwritable",
                        "resources": {"requests": {"storage": "1Gi"}}}})
    try:
        refuse(lab, "missing-claim", ("spec.backup.claimName", "nowhere", "does not exist", "create it"),
               backup={"claimName": "nowhere"})
        refuse(lab, "unwritable-claim", ("spec.backup.claimName", "65532", "fsGroup"), backup={"claimName": "unwritable"})
    finally:
        lab.kubectl("delete", "pvc", "unwritable", "--wait=false")


def make_account(lab, user, password, grants):
    """An account of the MetaDB, and a Secret with it; the password goes by standard input."""
    run = {"statements": ["CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s"], "values": [user, password]}
    lab.in_eye("python3", "-c", LIMITED, stdin=json.dumps(run))
    for grant in grants:
        lab.in_eye("python3", "-c", LIMITED, stdin=json.dumps({"statements": [grant + " TO %s@'%%'"], "values": [user]}))
    lab.apply({**manifests.secret(user.replace("_", "-"), {"user": user, "password": password}),
               "metadata": {"name": user.replace("_", "-"), "namespace": lab.namespace}})


def drop_account(lab, user):
    """Removes account and Secret."""
    lab.in_eye("python3", "-c", LIMITED, stdin=json.dumps({"statements": ["DROP USER IF EXISTS %s@'%%'"], "values": [user]}))
    lab.kubectl("delete", "secret", user.replace("_", "-"), "--ignore-not-found")


@scenario("refused-accounts")
def refused_accounts(lab):
    """A wrong password, a missing Secret, and an account that may not do what backup and restore need."""
    make_account(lab, "may_little", "little 'pass\" # %", ["GRANT SELECT ON oms_rm.*", "GRANT SELECT ON oms_cm.*",
                                                         "GRANT SELECT ON oms_cm_hb.*"])
    wrong = {**manifests.secret("wrong-password", {"user": "may_little", "password": "not it"}),
             "metadata": {"name": "wrong-password", "namespace": lab.namespace}}
    lab.apply(wrong)
    try:
        message = refuse(lab, "wrong-password", ("MetaDb", "password"),
                         metadb={"credentialsSecretRef": {"name": "wrong-password"}})
        assert "not it" not in message
        refuse(lab, "missing-secret", ("no-such-secret",), metadb={"credentialsSecretRef": {"name": "no-such-secret"}})
        # Which check notices it first depends on whether the lock's database is there already.
        refuse(lab, "missing-privilege", ("lacks", "privilege", "GRANT"),
               metadb={"credentialsSecretRef": {"name": "may-little"}})
    finally:
        lab.kubectl("delete", "secret", "wrong-password")
        drop_account(lab, "may_little")


@scenario("refused-nodes")
def refused_nodes(lab):
    """A node of the installation that is no target."""
    lab.sql("INSERT INTO {cm}.host (ip, host_status, resource_group_id) VALUES ('10.9.9.9', 'ONLINE', 1)")
    try:
        refuse(lab, "node-not-listed", ("AllNodesListed", "spec.targets", "10.9.9.9", "not listed"))
    finally:
        lab.sql("DELETE FROM {cm}.host WHERE ip = '10.9.9.9'")


@scenario("refused-source-version")
def refused_source(lab):
    """A source version that OMS does not upgrade from; the very image of 3.3.1 under another tag."""
    odd = manifests.IMAGE + "3.1.0-ce"
    lab.name_image(manifests.IMAGE + manifests.OLD, odd)
    before = lab.get("deployment", "oms")["spec"]["template"]["spec"]["containers"][0]["image"]
    lab.kubectl("set", "image", "deployment/oms", f"oms={odd}")
    try:
        lab.wait_serving()
        refuse(lab, "source-version", ("SourceVersion", "3.1.0", "3.2.2-CE, 3.3.0-CE, 3.3.1-CE"))
    finally:
        lab.kubectl("set", "image", "deployment/oms", f"oms={before}")
        lab.wait_serving()


@scenario("refused-second-upgrade")
def refused_second(lab):
    """A second upgrade of the same target, or of the same MetaDB, while the first is not finished."""
    before = checks.Photo(lab)
    with Upgrade(lab, "first", paused=True) as first:
        first.watch.wait("held", lambda item: is_true(item, "Paused"), 180)
        first.patch(paused=False)
        first.wait_step("DisablingHa")
        first.patch(paused=True)
        refuse(lab, "second", ("OneUpgrade", "first", "not finished"))
        position = first.ask("Abort")
        first.wait_end("Aborted", after=position)
        checks.check_end(lab, first, before, "unchanged")
        first.delete()
    # What an upgrade in another namespace with the same MetaDB leaves there while it runs.
    lab.sql("CREATE DATABASE IF NOT EXISTS oms_operator_lock")
    lab.sql("CREATE TABLE IF NOT EXISTS oms_operator_lock.upgrade_lock (id tinyint not null primary key, holder varchar(64) not null,"
            " epoch bigint not null, note varchar(255) not null, updated_at timestamp not null default current_timestamp)")
    lab.sql("INSERT INTO oms_operator_lock.upgrade_lock (id, holder, epoch, note) VALUES (1, 'somebody', 1, 'elsewhere/other')")
    try:
        refuse(lab, "same-metadb", ("OneUpgradePerMetaDb", "elsewhere/other", "wait for it"))
    finally:
        lab.sql("DELETE FROM oms_operator_lock.upgrade_lock WHERE id = 1")


@scenario("long-names")
def long_names(lab):
    """An OmsUpgrade with a name of 253 characters gets as far as any other, with its children."""
    name = ".".join(["a" * 63] * 3) + "." + "b" * 61
    assert len(name) == 253
    before = checks.Photo(lab)
    with Upgrade(lab, name) as upgrade:
        upgrade.wait_step("VerifyingBackup")
        position = upgrade.ask("Abort")
        upgrade.wait_end("Aborted", after=position)
        checks.check_end(lab, upgrade, before, "unchanged")
        upgrade.delete()


DEFINITION = "omsupgrades.oms.oceanbase.com"


def replace_definition(lab, definition):
    """Puts a definition in the place of the one that is there."""
    newest = lab.get("crd", DEFINITION)
    lab.kubectl("replace", "-f", "-", stdin=json.dumps({**newest, "spec": definition["spec"]}))


def loosen(definition):
    """The definition as it was before time limits were bounded."""
    loose = json.loads(json.dumps(definition))
    for version in loose["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        limit = spec["properties"]["timeouts"]["properties"]["backup"]
        limit.pop("pattern")
        limit.pop("x-kubernetes-validations")
    return loose


@scenario("bad-duration")
def bad_duration(lab):
    """An absurd time limit that an older definition let in: that object is told so, others go on, also after a restart."""
    definition = lab.get("crd", DEFINITION)
    absurd = Upgrade(lab, "absurd", targets=[{"name": "nobody"}], timeouts={"backup": "9999999999999999h"})
    replace_definition(lab, loosen(definition))
    try:
        poll("the API server takes the absurd object", lambda: created(absurd), 30)
    finally:
        replace_definition(lab, definition)
    item = absurd.watch.wait("it is told", lambda item: condition(item, "Ready").get("reason") == "Unreadable", 60)
    ready = condition(item, "Ready")
    assert ready["status"] == "False" and is_true(item, "Stalled"), item["status"]["conditions"]
    for word in ("spec.timeouts.backup", "720h", "kubectl edit omsup"):
        assert word in ready["message"], ready["message"]
    lab.kubectl("rollout", "restart", "-n", lab.operator_namespace, "deployment/oms-operator")
    lab.kubectl("rollout", "status", "-n", lab.operator_namespace, "deployment/oms-operator", "--timeout=120s")
    with Upgrade(lab, "healthy", action="Plan") as healthy:
        healthy.watch.wait("planned", lambda item: item["status"].get("phase") == "Planned", 180)
        healthy.delete()
    operator = lab.operator_pod()
    assert operator["status"]["containerStatuses"][0]["restartCount"] == 0, "the operator was restarted"
    absurd.patch(timeouts={"backup": "6h"})
    absurd.wait_findings()
    absurd.delete()
    absurd.watch.close()


def created(upgrade):
    """Creates the object when the API server takes it."""
    try:
        upgrade.create()
    except ApiError as error:
        if upgrade.watch:
            upgrade.watch.close()
            upgrade.watch = None
        # 404 and 429: the definition is being replaced.
        if error.code not in (404, 422, 429):
            raise
        return False
    return True
