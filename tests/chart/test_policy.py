"""Who may approve and operate: the policy asks for what the API has, and the roles for people hold what they say.

Whether the API server does what the policy says is tried with real accounts in tests/cluster/policies.
"""

import os
import re
import subprocess
import unittest

import helm

POLICY = "ValidatingAdmissionPolicy"
BINDING = "ValidatingAdmissionPolicyBinding"
ROLES = ["approver", "editor", "intervener", "operator", "viewer"]
# May change at any time as well, and are nobody's request: who edits writes them.
NO_CONTROLS = {"timeouts", "cleanup"}


def read_source(*path):
    with open(os.path.join(helm.ROOT, "src", "api", *path), encoding="utf-8") as file:
        return file.read()


def pick_verbs(objects, kind):
    """Without those of the fence around the operator's own account."""
    return [found for found in helm.pick(objects, kind) if "-verbs-" in found["metadata"]["name"]]


def policy_of(values=None):
    """The policy and its variables by name."""
    [policy] = pick_verbs(helm.render(values), POLICY)
    return policy["spec"], {entry["name"]: entry["expression"] for entry in policy["spec"]["variables"]}


def user_roles(values=None, **release):
    """Part of its name → ClusterRole, without those of the operator."""
    return {re.fullmatch(r"oms-operator-(\w+)-here", role["metadata"]["name"]).group(1): role
            for role in helm.pick(helm.render(values, **release), "ClusterRole") if not re.search("-(finalizer|definition)-", role["metadata"]["name"])}


class Policy(unittest.TestCase):
    def test_it_is_bound_to_the_watched_namespaces(self):
        for values, wanted in (({}, ["here"]), ({"watchNamespaces": ["b", "a"]}, ["a", "b"])):
            [policy], [binding] = (pick_verbs(helm.render(values), kind) for kind in (POLICY, BINDING))
            self.assertEqual(binding["spec"]["policyName"], policy["metadata"]["name"])
            self.assertEqual(binding["spec"]["validationActions"], ["Deny"])
            self.assertEqual(binding["spec"]["matchResources"], {"namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": wanted}]}})

    def test_each_release_has_its_own(self):
        for kind in (POLICY, BINDING):
            names = {pick_verbs(helm.render(namespace=place), kind)[0]["metadata"]["name"] for place in ("a", "b")}
            self.assertEqual(names, {"oms-operator-verbs-a", "oms-operator-verbs-b"})

    def test_it_can_be_left_out(self):
        objects = helm.render({"policies": {"create": False}})
        self.assertEqual(pick_verbs(objects, POLICY) + pick_verbs(objects, BINDING), [])

    def test_it_fails_closed_and_is_not_about_the_status(self):
        spec, _ = policy_of()
        self.assertEqual(spec["failurePolicy"], "Fail")
        [rule] = spec["matchConstraints"]["resourceRules"]
        self.assertEqual((rule["resources"], rule["operations"]), (["omsupgrades"], ["CREATE", "UPDATE"]))

    def test_it_asks_about_every_request_that_the_api_has(self):
        mutable = re.search(r"pub const MUTABLE: &\[&str\] = &\[(.*?)\];", read_source("spec", "control.rs"), re.S).group(1)
        _, variables = policy_of()
        controls = set(re.findall(r"'(\w+)'", variables["controls"]))
        self.assertEqual(controls, set(re.findall(r'"(\w+)"', mutable)) - NO_CONTROLS)
        [crd] = helm.read("crds", "omsupgrades.oms.oceanbase.com.yaml")
        spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        self.assertLessEqual(controls | {"approval"}, set(spec))
        self.assertIn("planHash", spec["approval"]["properties"])
        self.assertEqual(spec["action"]["default"], "Run")
        self.assertIn("orValue('Run')", variables["operated"])
        annotation = re.search(r'RELEASE_ANNOTATION: &str = "([^"]+)"', read_source("mod.rs")).group(1)
        self.assertIn(f"[?'{annotation}']", variables["operated"])

    def test_each_verb_is_asked_for_once_and_named(self):
        spec, variables = policy_of()
        for entry, verb in zip(spec["validations"], ("operate", "approve", "intervene", "update"), strict=True):
            self.assertIn(f".check('{verb}').allowed()", entry["expression"])
            self.assertEqual(entry["reason"], "Forbidden")
            self.assertIn(f"verbs: [{verb}]", entry["messageExpression"])
            [used] = set(re.findall(r"variables\.(\w+) == \[\]", entry["expression"]))
            self.assertIn(used, variables)

    def test_a_refusal_names_only_roles_that_there_are(self):
        def named(values):
            return [name for entry in policy_of(values)[0]["validations"]
                    for name in re.findall(r"the ClusterRole (\S+)", entry["messageExpression"])]
        there = {role["metadata"]["name"] for role in user_roles().values()}
        self.assertEqual(len(named({})), 4)
        self.assertLessEqual(set(named({})), there)
        for values in ({"rbac": {"userRoles": False}}, {"rbac": {"create": False}}):
            self.assertEqual(named(values), [])

    def test_an_api_server_without_such_policies_is_refused(self):
        def template(version):
            return subprocess.run([helm.HELM, "template", "x", helm.CHART, "--kube-version", version,
                                   "--set", "image.repository=a", "--set", "toolsImage.repository=b"],
                                  capture_output=True, text=True, timeout=120)
        self.assertIn("kubeVersion", template("1.29.9").stderr)
        self.assertIn(POLICY, template("1.30.0").stdout)


class UserRoles(unittest.TestCase):
    def test_only_one_holds_each_verb(self):
        roles = user_roles()
        self.assertEqual(sorted(roles), ROLES)
        verbs = {}
        for name, role in roles.items():
            [rule] = role["rules"]
            self.assertEqual((rule["apiGroups"], rule["resources"]), (["oms.oceanbase.com"], ["omsupgrades"]))
            verbs[name] = set(rule["verbs"])
        self.assertEqual({name for name in verbs if "operate" in verbs[name]}, {"operator"})
        self.assertEqual({name for name in verbs if "approve" in verbs[name]}, {"approver"})
        self.assertEqual({name for name in verbs if "intervene" in verbs[name]}, {"intervener"})
        self.assertEqual({name for name in verbs if "update" in verbs[name]}, {"editor"})

    def test_nobody_holds_one_by_itself(self):
        objects = helm.render()
        bound = {binding["roleRef"]["name"] for kind in ("RoleBinding", "ClusterRoleBinding") for binding in helm.pick(objects, kind)}
        for role in user_roles().values():
            self.assertNotIn(role["metadata"]["name"], bound)
            self.assertFalse([label for label in role["metadata"]["labels"] if "aggregate" in label])

    def test_they_can_be_left_out(self):
        self.assertEqual(user_roles({"rbac": {"userRoles": False}}), {})
        self.assertEqual(len(helm.pick(helm.render({"rbac": {"userRoles": False}}), "ClusterRole")), 2)


class Images(unittest.TestCase):
    """The policy that keeps forbidden images away; tried on a real API server in tests/cluster/policies."""

    def pick(self, objects, kind):
        return [one for one in helm.pick(objects, kind) if "-images-" in one["metadata"]["name"]]

    def test_it_is_for_everybody_but_the_operator_in_its_namespaces(self):
        objects = helm.render({"watchNamespaces": ["b", "a"], "serviceAccount": {"name": "who"}}, namespace="here")
        [policy], [binding] = (self.pick(objects, kind) for kind in (POLICY, BINDING))
        spec = policy["spec"]
        self.assertEqual(spec["failurePolicy"], "Fail")
        # The operator is left out, but for the dry run by which it asks whether an image is refused.
        [condition] = spec["matchConditions"]
        self.assertEqual(condition["expression"], "request.userInfo.username != 'system:serviceaccount:here:who' || "
                         "(request.?dryRun.orValue(false) && object.metadata.?annotations[?'oms.oceanbase.com/image-probe'].hasValue())")
        [rule] = spec["matchConstraints"]["resourceRules"]
        self.assertEqual((rule["resources"], rule["operations"]), (["deployments"], ["CREATE", "UPDATE"]))
        self.assertEqual(binding["spec"]["paramRef"], {"selector": {}, "parameterNotFoundAction": "Allow"})
        self.assertEqual(binding["spec"]["matchResources"], {"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}]}})

    def test_it_asks_for_fields_that_the_status_has(self):
        [policy] = self.pick(helm.render(), POLICY)
        [crd] = helm.read("crds", "omsupgrades.oms.oceanbase.com.yaml")
        status = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        fields = set(status["forbiddenImages"]["items"]["properties"])
        asked = set(re.findall(r"\bone\.(\w+)|refused\[0\]\.(\w+)", str(policy["spec"])))
        self.assertEqual({a or b for a, b in asked}, fields)

    def test_it_can_be_left_out(self):
        self.assertEqual(self.pick(helm.render({"policies": {"create": False}}), POLICY), [])


class Exclusive(unittest.TestCase):
    """The policy that keeps Deployments for the operator alone; tried on a real API server in tests/cluster/policies."""

    ON = {"policies": {"exclusive": True}}

    def pick(self, objects, kind):
        return [one for one in helm.pick(objects, kind) if "-exclusive-" in one["metadata"]["name"]]

    def test_nobody_has_it_who_does_not_ask(self):
        objects = helm.render()
        self.assertEqual(self.pick(objects, POLICY) + self.pick(objects, BINDING), [])

    def test_it_is_for_everybody_but_the_operator_in_its_namespaces(self):
        values = helm.merge(self.ON, {"watchNamespaces": ["b", "a"], "serviceAccount": {"name": "who"}})
        objects = helm.render(values, namespace="here")
        [policy], [binding] = (self.pick(objects, kind) for kind in (POLICY, BINDING))
        spec = policy["spec"]
        self.assertEqual(spec["failurePolicy"], "Fail")
        self.assertEqual(spec["matchConditions"][0]["expression"], "request.userInfo.username != 'system:serviceaccount:here:who'")
        rules = [(rule["resources"], rule["operations"]) for rule in spec["matchConstraints"]["resourceRules"]]
        self.assertEqual(rules, [(["deployments"], ["UPDATE", "DELETE"]), (["deployments/scale"], ["UPDATE"])])
        self.assertEqual(binding["spec"]["paramRef"], {"selector": {}, "parameterNotFoundAction": "Allow"})
        self.assertEqual(binding["spec"]["matchResources"], {"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}]}})

    def test_it_asks_for_fields_that_there_are(self):
        [policy] = self.pick(helm.render(self.ON), POLICY)
        [crd] = helm.read("crds", "omsupgrades.oms.oceanbase.com.yaml")
        properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        works, = (one["expression"] for one in policy["spec"]["variables"] if one["name"] == "works")
        self.assertEqual(set(re.findall(r"status\.\?(\w+)", works)), {"startedTime", "finishedTime"})
        self.assertLessEqual({"startedTime", "finishedTime"}, set(properties["status"]["properties"]))
        self.assertIn("name", properties["spec"]["properties"]["targets"]["items"]["properties"])

    def test_who_is_let_through_is_asked_for_a_verb(self):
        [policy] = self.pick(helm.render(self.ON), POLICY)
        [annotation] = set(re.findall(r"oms\.oceanbase\.com/\w+", str(policy["spec"]["variables"])))
        _, variables = policy_of(self.ON)
        self.assertIn(f"[?'{annotation}']", variables["intervened"])
        with self.assertRaisesRegex(AssertionError, "policies.exclusive needs policies.create"):
            helm.render({"policies": {"exclusive": True, "create": False}})
