"""The chart renders what it promises and refuses what it does not know."""

import json
import os
import re
import subprocess
import unittest

import helm
from pod_security import find_violations

CRD = "omsupgrades.oms.oceanbase.com"


def pod_of(objects):
    return helm.pick(objects, "Deployment")[0]["spec"]["template"]["spec"]


class Lint(unittest.TestCase):
    def test_strict(self):
        status, output = helm.run("lint", "--strict", helm.CHART, "--set", "image.repository=a", "--set", "toolsImage.repository=b")
        self.assertEqual(status, 0, output)


class Values(unittest.TestCase):
    def test_unknown_values_are_refused_at_every_depth(self):
        for values in ({"watchNamespace": "oms"}, {"image": {"name": "x"}}, {"crds": {"install": True}},
                       {"metrics": {"serviceMonitor": {"on": True}}}, {"logging": {"format": "text"}},
                       {"serviceAccount": {"label": {}}}, {"networkPolicy": {"enable": True}}, {"rbac": {"aggregate": True}},
                       {"policies": {"enabled": True}}):
            with self.subTest(values):
                self.assertIsNotNone(helm.refusal(values))

    def test_wrong_values_are_refused(self):
        for values in ({"watchNamespaces": "oms"}, {"watchNamespaces": ["Not_A_Name"]}, {"watchNamespaces": ["a", "a"]},
                       {"image": {"pullPolicy": "Sometimes"}}, {"image": {"digest": "sha256:1"}}, {"replicaCount": -1},
                       {"image": {"repository": ""}}):
            with self.subTest(values):
                self.assertIsNotNone(helm.refusal(values))

    def test_every_default_has_a_place_in_the_schema(self):
        [defaults] = helm.read("charts", "oms-operator", "values.yaml")
        self.assertIsNone(helm.refusal(helm.merge(defaults, helm.IMAGES)))

    def test_a_missing_image_is_told_in_a_sentence(self):
        for name in ("image", "toolsImage"):
            told = " ".join(helm.refusal({name: {"repository": ""}}).split())
            self.assertIn(f"{name}.repository is not set, and no public registry has this image: build it with", told)
            self.assertTrue(os.path.exists(os.path.join(helm.ROOT, re.search(r"\((docs/[a-z.]+)\)", told).group(1))))

    def test_every_value_is_described_where_people_look(self):
        result = subprocess.run([os.path.join(helm.ROOT, "scripts", "chart_values.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class Namespaces(unittest.TestCase):
    def test_none_means_the_release_s_own(self):
        objects = helm.render(namespace="here")
        self.assertEqual([role["metadata"]["namespace"] for role in helm.pick(objects, "Role", "oms-operator")], ["here"])
        self.assertIn("--watch-namespace=here", pod_of(objects)["containers"][0]["args"])

    def test_a_list_makes_one_role_and_one_binding_each(self):
        objects = helm.render({"watchNamespaces": ["b", "a"]}, namespace="here")
        for kind in ("Role", "RoleBinding"):
            found = [found["metadata"]["namespace"] for found in helm.pick(objects, kind, "oms-operator")]
            self.assertEqual(found, ["a", "b"])
        for binding in helm.pick(objects, "RoleBinding"):
            self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": "oms-operator", "namespace": "here"}])
        arguments = pod_of(objects)["containers"][0]["args"]
        self.assertEqual([a for a in arguments if a.startswith("--watch-namespace")],
                         ["--watch-namespace=a", "--watch-namespace=b"])

    def test_nothing_of_the_operator_is_cluster_wide_but_the_definition_and_the_finalizer(self):
        objects = helm.render({"watchNamespaces": ["a", "b"], "rbac": {"userRoles": False}, "policies": {"create": False}}, namespace="here")
        self.assertEqual(sorted(found["kind"] for found in objects if "namespace" not in found["metadata"]),
                         ["ClusterRole"] * 2 + ["ClusterRoleBinding"] * 2 +
                         ["CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"])
        roles, bindings = helm.pick(objects, "ClusterRole"), helm.pick(objects, "ClusterRoleBinding")
        self.assertEqual([binding["roleRef"]["name"] for binding in bindings], [role["metadata"]["name"] for role in roles])
        for binding in bindings:
            self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": "oms-operator", "namespace": "here"}])
        reach = {(name, tuple(rule.get("resourceNames", ()))) for role in roles for rule in role["rules"] for name in rule["resources"]}
        self.assertEqual(reach, {("omsupgrades", ()), ("omsupgrades/status", ()), ("namespaces", ("a", "b")),
                                 ("customresourcedefinitions", ("omsupgrades.oms.oceanbase.com",))})
        [reader] = [role for role in roles if "-definition-" in role["metadata"]["name"]]
        self.assertEqual([rule["verbs"] for rule in reader["rules"]], [["get"]])

    def test_the_finalizer_s_role_comes_and_goes_with_its_fence(self):
        values = {"rbac": {"finalizers": False, "definition": False, "userRoles": False}, "policies": {"create": False}}
        kinds = [found["kind"] for found in helm.render(values) if "namespace" not in found["metadata"]]
        self.assertEqual(kinds, ["CustomResourceDefinition"])
        self.assertEqual(len(helm.pick(helm.render(values), "Role", "oms-operator")), 1)
        objects = helm.render({"watchNamespaces": ["b", "a"], "serviceAccount": {"name": "who"}, "policies": {"create": False}}, namespace="here")
        [policy], [binding] = (helm.pick(objects, kind) for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"))
        self.assertEqual([condition["expression"] for condition in policy["spec"]["matchConditions"]],
                         ["request.userInfo.username == 'system:serviceaccount:here:who'", "!(request.namespace in ['a','b'])"])
        [rule] = policy["spec"]["matchConstraints"]["resourceRules"]
        self.assertEqual(rule["resources"], ["omsupgrades", "omsupgrades/status"])
        self.assertEqual(policy["spec"]["failurePolicy"], "Fail")
        # It is about an account, so no selection of namespaces may leave some out.
        self.assertEqual(binding["spec"], {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]})

    def test_applications_are_read_where_somebody_says_so(self):
        def named(objects, kind):
            return [one for one in helm.pick(objects, kind) if "-applications-" in one["metadata"]["name"]]
        self.assertEqual(named(helm.render(), "Role") + named(helm.render(), "RoleBinding"), [])
        objects = helm.render({"rbac": {"applications": ["argocd", "team"]}, "watchNamespaces": ["a"]}, namespace="here")
        roles, bindings = named(objects, "Role"), named(objects, "RoleBinding")
        self.assertEqual([role["metadata"]["namespace"] for role in roles], ["argocd", "team"])
        for role, binding in zip(roles, bindings, strict=True):
            self.assertEqual(role["rules"], [{"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["get"]}])
            self.assertEqual(binding["metadata"]["namespace"], role["metadata"]["namespace"])
            self.assertEqual(binding["roleRef"]["name"], role["metadata"]["name"])
            self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": "oms-operator", "namespace": "here"}])
        [deployment] = helm.pick(objects, "Deployment")
        arguments = [one for one in deployment["spec"]["template"]["spec"]["containers"][0]["args"] if "applications" in one]
        self.assertEqual(arguments, ["--applications=argocd", "--applications=team"])

    def test_what_else_is_cluster_wide_is_for_people(self):
        kinds = [found["kind"] for found in helm.render() if "namespace" not in found["metadata"]]
        self.assertEqual({kind: kinds.count(kind) for kind in kinds}, {
            "ClusterRole": 7, "ClusterRoleBinding": 2, "CustomResourceDefinition": 1, "ValidatingAdmissionPolicy": 3,
            "ValidatingAdmissionPolicyBinding": 3})

    def test_two_releases_of_one_name_do_not_share_a_cluster_role(self):
        long = "n" * 55
        for places in (("a", "b"), (long + "-east", long + "-west")):
            names = [{role["metadata"]["name"] for role in helm.pick(helm.render(namespace=place), "ClusterRole")} for place in places]
            self.assertEqual(len(names[0] | names[1]), 14)
            self.assertLessEqual(max(map(len, names[0] | names[1])), 63)

    def test_nothing_is_added_to_the_roles_of_others(self):
        for role in helm.pick(helm.render(), "Role") + helm.pick(helm.render(), "ClusterRole"):
            self.assertFalse([label for label in role["metadata"]["labels"] if "aggregate" in label])

    def test_without_rbac_there_are_no_roles(self):
        objects = helm.render({"rbac": {"create": False}})
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
            self.assertEqual(helm.pick(objects, kind), [])


class Definition(unittest.TestCase):
    def test_it_is_the_checked_in_one_and_is_kept(self):
        [checked_in] = helm.read("crds", CRD + ".yaml")
        [rendered] = helm.pick(helm.render(), "CustomResourceDefinition")
        self.assertEqual(rendered["metadata"].pop("annotations"), {"helm.sh/resource-policy": "keep"})
        self.assertEqual(rendered, checked_in)

    def test_it_goes_with_the_release_only_when_asked(self):
        [rendered] = helm.pick(helm.render({"crds": {"keep": False}}), "CustomResourceDefinition")
        self.assertNotIn("annotations", rendered["metadata"])

    def test_it_can_be_left_out(self):
        self.assertEqual(helm.pick(helm.render({"crds": {"enabled": False}}), "CustomResourceDefinition"), [])

    def test_it_is_a_template_so_that_an_upgrade_brings_it_up_to_date(self):
        # Helm installs a chart's crds/ folder once and never touches it again.
        self.assertFalse(os.path.exists(os.path.join(helm.CHART, "crds")))


class Pod(unittest.TestCase):
    def test_restricted(self):
        self.assertEqual(find_violations(pod_of(helm.render())), [])

    def test_the_judge_sees_a_violation(self):
        for context in ({"allowPrivilegeEscalation": True}, {"capabilities": {"drop": []}}, {"runAsNonRoot": False},
                        {"privileged": True}):
            with self.subTest(context):
                # Helm merges maps, so each of these overrides one default.
                self.assertNotEqual(find_violations(pod_of(helm.render({"securityContext": context}))), [])

    def test_read_only_root_and_numbers_for_users(self):
        pod = pod_of(helm.render())
        self.assertTrue(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"])
        self.assertEqual((pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]), (65532, 65532))

    def test_images(self):
        digest = "sha256:" + "0" * 64
        pod = pod_of(helm.render({"image": {"repository": "r/o", "tag": "1"}, "toolsImage": {"repository": "r/t", "digest": digest}}))
        self.assertEqual(pod["containers"][0]["image"], "r/o:1")
        self.assertIn(f"--tools-image=r/t@{digest}", pod["containers"][0]["args"])

    def test_the_chart_s_version_is_the_crate_s(self):
        with open(os.path.join(helm.ROOT, "Cargo.toml"), encoding="utf-8") as file:
            version = next(line.split('"')[1] for line in file if line.startswith("version = "))
        [chart] = helm.read("charts", "oms-operator", "Chart.yaml")
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))

    def test_no_secret_is_read_from_the_environment(self):
        container = pod_of(helm.render())["containers"][0]
        self.assertNotIn("envFrom", container)
        self.assertEqual([entry["name"] for entry in container["env"]], ["POD_NAME"])

    def test_each_replica_holds_the_lease_under_a_name_of_its_own(self):
        name, other = pod_of(helm.render({"extraEnv": [{"name": "A", "value": "b"}]}))["containers"][0]["env"]
        self.assertEqual(name, {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
        self.assertEqual(other, {"name": "A", "value": "b"})

    def test_settings_of_jobs(self):
        nowhere = helm.render({"architecture": ""})
        self.assertFalse([a for a in pod_of(nowhere)["containers"][0]["args"] if a.startswith("--job-pods")])
        wanted = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "k", "operator": "Exists"}]}
        [argument] = [a for a in pod_of(helm.render({"architecture": "", "jobs": wanted}))["containers"][0]["args"] if a.startswith("--job-pods")]
        self.assertEqual(json.loads(argument.split("=", 1)[1]), wanted)


    def test_operator_and_jobs_run_where_their_images_do(self):
        for architecture in ("amd64", "arm64"):
            pod = pod_of(helm.render({"architecture": architecture, "nodeSelector": {"disk": "ssd"}}))
            self.assertEqual(pod["nodeSelector"], {"kubernetes.io/arch": architecture, "disk": "ssd"})
            [argument] = [a for a in pod["containers"][0]["args"] if a.startswith("--job-pods")]
            self.assertEqual(json.loads(argument.split("=", 1)[1]), {"nodeSelector": {"kubernetes.io/arch": architecture}})
        # Who names the label himself is right.
        self.assertEqual(pod_of(helm.render({"nodeSelector": {"kubernetes.io/arch": "s390x"}}))["nodeSelector"], {"kubernetes.io/arch": "s390x"})


class HelmTest(unittest.TestCase):
    def test_it_asks_for_all_rights_in_all_namespaces(self):
        pod = helm.render_test({"watchNamespaces": ["b", "a"]})
        self.assertEqual(pod["metadata"]["annotations"]["helm.sh/hook"], "test")
        check, *arguments = pod["spec"]["containers"][0]["args"]
        self.assertEqual(check, "check")
        self.assertEqual([a for a in arguments if a.startswith("--watch")], ["--watch-namespace=a", "--watch-namespace=b"])
        given = dict(argument.lstrip("-").split("=", 1) for argument in arguments)
        [role] = helm.pick(helm.render(), "Role", "oms-operator")
        self.assertEqual(json.loads(given["rights"]), role["rules"])
        [lease] = helm.pick(helm.render(), "Role", "oms-operator-lease")
        self.assertEqual(json.loads(given["lease-rights"]), lease["rules"])
        [held] = [a for a in pod_of(helm.render())["containers"][0]["args"] if a.startswith("--lease=")]
        self.assertEqual(given["lease"], held.split("=")[1])

    def test_it_runs_as_the_operator_does_and_is_not_taken_for_it(self):
        pod, [deployment] = helm.render_test(), helm.pick(helm.render(), "Deployment")
        like = deployment["spec"]["template"]["spec"]
        for field in ("serviceAccountName", "securityContext", "nodeSelector"):
            self.assertEqual(pod["spec"][field], like[field])
        self.assertEqual(pod["spec"]["containers"][0]["image"], like["containers"][0]["image"])
        self.assertEqual(find_violations(pod["spec"]), [])
        self.assertFalse(deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items())

    def test_install_yaml_has_no_pod(self):
        self.assertEqual(helm.pick(helm.read("deploy", "install.yaml"), "Pod"), [])


class Options(unittest.TestCase):
    def test_everything_on(self):
        on = {"enabled": True}
        objects = helm.render({
            "metrics": {"service": on, "serviceMonitor": on, "podMonitor": on, "prometheusRule": on, "dashboard": on}, "networkPolicy": on,
            "replicaCount": 2, "commonLabels": {"team": "x"}, "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"},
            "imagePullSecrets": [{"name": "pull"}], "nodeSelector": {"disk": "ssd"}, "priorityClassName": "high",
            "tolerations": [{"key": "k", "operator": "Exists"}], "extraArgs": ["--x"], "extraEnv": [{"name": "A", "value": "b"}],
            "affinity": {"nodeAffinity": {}}, "topologySpreadConstraints": [{"maxSkew": 1}]})
        kinds = {found["kind"] for found in objects}
        self.assertLessEqual({"Service", "ServiceMonitor", "PodMonitor", "PrometheusRule", "NetworkPolicy", "ConfigMap"}, kinds)
        for found in objects:
            if found["kind"] != "CustomResourceDefinition":
                self.assertEqual(found["metadata"]["labels"]["team"], "x", found["kind"])

    def test_labels_of_one_name_are_written_once(self):
        theirs = {"app.kubernetes.io/name": "other", "helm.sh/chart": "other", "team": "x"}
        on = {"enabled": True, "labels": theirs}
        objects = helm.render({"commonLabels": theirs, "podLabels": theirs, "metrics": {
            "serviceMonitor": on, "podMonitor": on, "prometheusRule": on}})
        for found in objects:
            if found["kind"] != "CustomResourceDefinition":
                self.assertEqual(found["metadata"]["labels"]["app.kubernetes.io/name"], "oms-operator", found["kind"])
        [deployment] = helm.pick(objects, "Deployment")
        selector = deployment["spec"]["selector"]["matchLabels"]
        self.assertLessEqual(selector.items(), deployment["spec"]["template"]["metadata"]["labels"].items())

    def test_labels_of_the_upgrade_are_not_renamed(self):
        on = {"enabled": True}
        objects = helm.render({"metrics": {"serviceMonitor": on, "podMonitor": on}})
        ends = [end for kind, field in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints"))
                for found in helm.pick(objects, kind) for end in found["spec"][field]]
        self.assertEqual([end.get("honorLabels") for end in ends], [True, True])

    def test_nothing_that_needs_other_operators_by_default(self):
        self.assertEqual({found["kind"] for found in helm.render()},
                         {"CustomResourceDefinition", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
                          "Deployment", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})

    def test_long_release_names(self):
        for found in helm.render(release="r" * 53):
            self.assertLessEqual(len(found["metadata"]["name"]), 63)
