"""The documents, followed as they stand: every command is taken out of its page (tests/e2e/reader.py) and must do what the page says.

tests/docs/test_commands.py reads which commands these scenarios follow, and wants a reason for each that they do not.
"""

import json

from api import condition, is_true, upgrades_path
from ctl import manifests
from markdown import find_block
from reader import VERSION, Reader
from registry import scenario

NAME = "to-4-0-0"


def see(lab):
    """The object as it is; None when there is none."""
    return lab.api.get(upgrades_path(lab.namespace, NAME))


def assert_phase(lab, phase):
    """Where the upgrade is, with what it says of itself for a failure."""
    item = see(lab)
    assert item["status"]["phase"] == phase, f"not {phase} but {item['status']['phase']}: {condition(item, 'Ready')['message']}"
    return item


def check_operator(reader):
    """Rolled out, and what `helm test` says of it."""
    reader.follow("README.md", "kubectl rollout status -n oms-operator")
    told = reader.follow("docs/install.md", "helm test oms-operator")
    lines = [line for line in told.splitlines() if line.startswith(("ok ", "FAILED"))]
    assert "Succeeded" in told and len(lines) == 5 and all(line.startswith("ok ") for line in lines), told


def take_away_helm(reader):
    """The operator as the documents take it away; definition and objects stay."""
    told = reader.follow("docs/uninstall.md", "kubectl get omsup -A")
    assert all(line.endswith("true") for line in told.splitlines()[1:]), told
    told = reader.follow("docs/uninstall.md", "helm uninstall oms-operator")
    assert "CustomResourceDefinition" in told, told
    reader.lab.kubectl("get", "crd", "omsupgrades.oms.oceanbase.com")


def take_away_manifests(reader):
    """What install.yaml made, without the definition."""
    reader.follow("docs/uninstall.md", "kubectl delete namespace")
    reader.follow("docs/uninstall.md", "kubectl delete role,")
    reader.follow("docs/uninstall.md", "kubectl delete clusterrole,")
    reader.lab.kubectl("get", "crd", "omsupgrades.oms.oceanbase.com")
    left = reader.lab.kubectl("get", "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,"
                              "roles,rolebindings", "-A", "-o", "name", "-l", "app.kubernetes.io/name=oms-operator")
    assert not left, left


def check_answer(reader):
    """README's plan is taken up: the object says in a sentence what is going on."""
    reader.write("plan.yaml", find_block("README.md", "action: Plan"))
    reader.follow("README.md", "kubectl apply -f plan.yaml")
    reader.lab.kubectl("wait", "omsup", NAME, "--for=jsonpath={.status.observedGeneration}=1", "--timeout=60s")
    item = see(reader.lab)
    assert condition(item, "Ready").get("message") and item["status"]["operatorVersion"] == VERSION, item["status"]
    reader.follow("docs/when-it-waits.md", "kubectl delete omsup", replace=[(" && kubectl apply -f plan.yaml", "")])


@scenario("documents-install", sample=True)
def install(lab):
    """The operator by README's Helm, tested, and by install.yaml: each answers an OmsUpgrade; each goes as the page says."""
    with Reader(lab) as reader:
        lab.operator = False
        take_away_helm(reader)
        reader.follow("README.md", "helm install oms-operator charts/oms-operator")
        check_operator(reader)
        check_answer(reader)
        take_away_helm(reader)
        reader.follow("docs/install.md", "sed 's#registry.example.com/oms-operator#")
        reader.follow("README.md", "kubectl rollout status -n oms-operator")
        check_answer(reader)
        take_away_manifests(reader)


@scenario("documents-other-ways")
def install_otherwise(lab):
    """The operator by `helm template`, from a package, and upgraded with a file of values."""
    with Reader(lab) as reader:
        lab.operator = False
        take_away_helm(reader)
        reader.follow("docs/uninstall.md", "kubectl delete namespace")
        reader.write("values.yaml", json.dumps({"watchNamespaces": [lab.namespace],
                                                "image": {"repository": "registry.example.com/oms-operator"},
                                                "toolsImage": {"repository": "registry.example.com/oms-operator-tools"}}))
        reader.follow("docs/install.md", "kubectl create namespace")
        reader.follow("docs/install.md", "helm template oms-operator")
        reader.follow("README.md", "kubectl rollout status -n oms-operator")
        check_answer(reader)
        take_away_manifests(reader)
        reader.follow("docs/install.md", "helm package")
        reader.follow("docs/install.md", "helm install oms-operator oms-operator-")
        check_operator(reader)
        reader.follow("docs/upgrade-operator.md", "helm upgrade oms-operator")
        check_operator(reader)
        take_away_helm(reader)


@scenario("documents-first-hour", fresh=True, reusable=False)
def first_hour(lab):
    """Install, plan, fix what it finds, approve, run, roll back, begin anew, abort, let go: by the documents alone."""
    with Reader(lab) as reader:
        lab.operator = False
        take_away_helm(reader)
        # A newcomer has neither yet.
        lab.kubectl("delete", "secret/oms-console", "pvc/oms-backup")
        try:
            reader.follow("README.md", "helm install oms-operator charts/oms-operator")
            check_operator(reader)
            make_plan(reader)
            approve_and_run(reader)
            look_back(reader)
            roll_back(reader)
            begin_anew_and_abort(reader)
            let_go(reader)
            take_away_helm(reader)
        finally:
            # Of another type than the stand-in's own, and a type cannot be changed.
            lab.kubectl("delete", "secret", "oms-console", "--ignore-not-found")


def make_plan(reader):
    """A plan with findings; all of them fixed as the pages say; a plan without."""
    lab = reader.lab
    reader.write("plan.yaml", find_block("README.md", "action: Plan"))
    reader.follow("README.md", "kubectl apply -f plan.yaml")
    reader.follow("README.md", "kubectl wait omsup")
    assert_phase(lab, "Planned")
    found = reader.follow("README.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath=")
    for words in ("Claim oms-backup: ", "OldImageRestarts oms: ", "kubectl rollout restart deployment oms -n oms", "oms-console"):
        assert words in found, f"the findings do not say {words!r}: {found}"
    assert reader.follow("docs/troubleshooting.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath=") == found
    assert found.count("\n") == 2 * sum(check["outcome"] == "Failed" for check in see(lab)["status"]["plan"]["checks"]), found
    lab.kubectl("apply", "-f", "-", stdin=find_block("docs/prepare.md", "PersistentVolumeClaim"))
    reader.follow("docs/accounts.md", "printf %s \"$PASSWORD\" | kubectl create secret generic oms-console", PASSWORD=manifests.CONSOLE["password"])
    reader.follow("docs/accounts.md", "printf %s \"$PASSWORD\" | kubectl create secret generic oms-metadb", PASSWORD="not used")
    lab.kubectl("delete", "secret", "oms-metadb")
    reader.follow("docs/prepare.md", "kubectl rollout restart deployment oms")
    lab.wait_serving()
    reader.follow("docs/plan.md", "kubectl patch omsup")
    reader.follow("docs/plan.md", "kubectl wait omsup")
    item = assert_phase(lab, "Planned")
    assert is_true(item, "PreflightPassed") and not is_true(item, "Stalled"), condition(item, "Ready")["message"]
    assert reader.follow("docs/plan.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath='{range .status.plan.checks[?(") == ""
    checks = reader.follow("docs/plan.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath='{range .status.plan.checks[*]}")
    assert "Passed\tClaim\toms-backup\t" in checks, checks
    told = reader.follow("docs/plan.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath='{range .status.plan.assumptions")
    assert "not seen: StoreLimits: " in told, told


def approve_and_run(reader):
    """Run waits for the approval; with it the upgrade comes to its end."""
    lab = reader.lab
    lab.kubectl("patch", "omsup", NAME, "--type=merge", "--patch", find_block("docs/run.md", "gates: [Start, PointOfNoReturn]"))
    reader.follow("docs/run.md", "kubectl patch omsup -n oms to-4-0-0 --type=merge -p '{\"spec\":{\"action\":\"Run\"}}'")
    lab.kubectl("wait", "omsup", NAME, "--for=jsonpath={.status.waiting.reason}=ApprovalNeeded", "--timeout=60s")
    digest = reader.follow("docs/run.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath=").strip()
    told = reader.follow("docs/when-it-waits.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath=")
    assert digest.startswith("sha256:") and digest in told, told
    reader.follow("docs/run.md", "kubectl patch omsup -n oms to-4-0-0 --type=merge -p '{\"spec\":{\"approval\"", replace=[("sha256:…", digest)])
    assert NAME in reader.look("README.md", "kubectl get omsup -n oms -w", 5)
    reader.follow("docs/watch.md", "kubectl wait omsup")
    lab.kubectl("wait", "omsup", NAME, "--for=jsonpath={.status.settled}=true", "--timeout=120s")
    assert_phase(lab, "Succeeded")


def look_back(reader):
    """What there is to see afterwards; the files of the backup are those that were proven."""
    lab = reader.lab
    assert "Succeeded" in reader.follow("docs/troubleshooting.md", "kubectl describe omsup")
    assert '"level"' in reader.follow("docs/troubleshooting.md", "kubectl logs -n oms-operator")
    leftovers = reader.follow("docs/backup.md", "kubectl get omsup -n oms to-4-0-0 -o jsonpath=")
    assert leftovers.startswith("Backup\t"), leftovers
    told = reader.follow("docs/rbac.md", "kubectl create rolebinding")
    lab.kubectl("delete", "rolebinding", told.split()[0].partition("/")[2])
    reader.follow("docs/backup.md", "kubectl get omsup -A")
    reader.follow("docs/backup.md", "kubectl get jobs,pods")
    check_originals(reader)
    check_files(reader, see(lab)["status"]["backup"])


def check_originals(reader):
    """The second copy of what the Deployment was, as the page reads it; it is the recorded one."""
    item = see(reader.lab)
    reader.follow("docs/backup.md", "kubectl get secret -n oms", replace=[("UID", item["metadata"]["uid"])])
    told = reader.follow("docs/backup.md", "jq -rj .texts.template")
    [target] = item["status"]["internal"]["originals"]["targets"]
    assert told.split()[0] == target["templateHash"].removeprefix("sha256:"), (told, target["templateHash"])


def check_files(reader, backup):
    """The pod of the page for a restore by hand, and in it the commands by which files are known."""
    lab = reader.lab
    reader.apply_block("docs/backup.md", "name: oms-restore")
    lab.kubectl("wait", "pod/oms-restore", "--for=condition=Ready", "--timeout=60s")
    try:
        told = reader.follow("docs/backup.md", "cd /backup", replace=[("/backup/to-4-0-0-0123456789/attempt-1", backup["directory"])],
                             pod="oms-restore")
        assert told == "", told
        told = reader.follow("docs/backup.md", "sha256sum manifest.json", pod="oms-restore")
        assert told.split()[0] == backup["manifestDigest"].removeprefix("sha256:"), told
        hashes = reader.follow("docs/backup.md", "sha256sum *.sql.zst", pod="oms-restore")
        known = reader.follow("docs/backup.md", "grep -B3", pod="oms-restore")
        assert len(hashes.splitlines()) == 3 and all(line.split()[0] in known for line in hashes.splitlines()), (hashes, known)
        reader.follow("docs/backup.md", "perl -MJSON::PP", pod="oms-restore")
        made = lab.kubectl("exec", "oms-restore", "--", "cat", "/tmp/check.sql")
        assert made.startswith("SELECT 'oms_"), made[:200]
    finally:
        lab.kubectl("delete", "pod", "oms-restore", "--grace-period=0", "--force")


def roll_back(reader):
    """Back, after success."""
    reader.follow("docs/roll-back.md", "kubectl patch omsup -n oms to-4-0-0 --type=merge -p '{\"spec\":{\"action\":\"RollBack\"}}'")
    reader.follow("docs/roll-back.md", "kubectl wait omsup")
    reader.lab.kubectl("wait", "omsup", NAME, "--for=jsonpath={.status.settled}=true", "--timeout=120s")
    assert_phase(reader.lab, "RolledBack")
    # Nothing waits for it, and it does no harm.
    reader.follow("docs/when-it-waits.md", "kubectl patch omsup")


def begin_anew_and_abort(reader):
    """The same name once more, under way, and given up while OMS is stopped; what it was before can be read meanwhile."""
    lab = reader.lab
    reader.follow("docs/when-it-waits.md", "kubectl delete omsup")
    reader.follow("README.md", "kubectl wait omsup")
    reader.follow("README.md", "kubectl patch omsup")
    lab.kubectl("wait", "omsup", NAME, "--for=jsonpath={.status.phase}=BackingUp", "--timeout=180s")
    reader.follow("docs/backup.md", "kubectl get deployment -n oms oms -o json")
    reader.follow("docs/backup.md", "jq -c '[{op")
    # Tried, not stored: it would be a stranger's write into an upgrade that runs.
    reader.follow("docs/backup.md", "kubectl patch deployment -n oms oms --type=json", replace=[("--type=json", "--type=json --dry-run=server")])
    reader.follow("docs/roll-back.md", "kubectl patch omsup -n oms to-4-0-0 --type=merge -p '{\"spec\":{\"action\":\"Abort\"}}'")
    reader.follow("docs/watch.md", "kubectl wait omsup")
    assert_phase(lab, "Aborted")


def let_go(reader):
    """The way out for an object that cannot be deleted, on one that could be."""
    reader.follow("docs/troubleshooting.md", "kubectl get omsup -n oms to-4-0-0 -o yaml")
    reader.follow("docs/troubleshooting.md", "kubectl annotate omsup")
    reader.follow("docs/troubleshooting.md", "kubectl delete omsup")
    assert "kind: OmsUpgrade" in reader.read("to-4-0-0.yaml")
    assert see(reader.lab) is None
