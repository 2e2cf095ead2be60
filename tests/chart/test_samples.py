"""The samples are what the definition allows, and the full one shows every field.

CEL rules, and the manifests of OMS itself (`oms`), are judged by a real API server in the end-to-end tests.
"""

import os
import unittest

import helm
import jsonschema

SAMPLES = os.path.join(helm.ROOT, "deploy", "samples")
CRD = "omsupgrades.oms.oceanbase.com.yaml"


def read_schema():
    [crd] = helm.read("crds", CRD)
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def close(schema):
    """The schema with unknown fields refused, as `kubectl` does with --validate=strict."""
    if isinstance(schema, dict):
        closed = {key: close(value) for key, value in schema.items() if key != "format"}
        if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
            closed["additionalProperties"] = False
        return closed
    return [close(entry) for entry in schema] if isinstance(schema, list) else schema


def fields(schema, path):
    """Paths of all fields below a schema."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], path)


def shown(value, path):
    """Paths of all fields of a value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from shown(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from shown(inner, path)


class Samples(unittest.TestCase):
    def test_each_is_valid(self):
        spec = close(read_schema()["properties"]["spec"])
        names = sorted(name for name in os.listdir(SAMPLES) if name != "oms")
        self.assertEqual(names, ["full.yaml", "minimal.yaml", "plan.yaml", "rollback.yaml"])
        for name in names:
            with self.subTest(name):
                [sample] = helm.read("deploy", "samples", name)
                self.assertEqual((sample["apiVersion"], sample["kind"]), ("oms.oceanbase.com/v1alpha1", "OmsUpgrade"))
                jsonschema.Draft202012Validator(spec).validate(sample["spec"])

    def test_a_misspelt_field_is_refused(self):
        [sample] = helm.read("deploy", "samples", "minimal.yaml")
        sample["spec"]["backup"]["claim"] = sample["spec"]["backup"].pop("claimName")
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(close(read_schema()["properties"]["spec"])).validate(sample["spec"])

    def test_the_full_one_shows_every_field(self):
        [sample] = helm.read("deploy", "samples", "full.yaml")
        every = set(fields(read_schema()["properties"]["spec"], "spec"))
        missing = every - set(shown(sample["spec"], "spec"))
        # Of two that exclude each other one is shown, and the other stands beside it as a comment.
        other = "spec.console.tls.ca.secretKeyRef"
        self.assertEqual(missing, {other, f"{other}.name", f"{other}.key"})
        with open(os.path.join(SAMPLES, "full.yaml"), encoding="utf-8") as file:
            self.assertIn("# In place of it: secretKeyRef: {name: oms-console-ca, key: ca.crt}", file.read())

    def test_plan_and_rollback_differ_from_the_minimal_one_by_their_action(self):
        [minimal] = helm.read("deploy", "samples", "minimal.yaml")
        for name, action in (("plan", "Plan"), ("rollback", "RollBack")):
            [sample] = helm.read("deploy", "samples", name + ".yaml")
            self.assertEqual(sample["spec"].pop("action"), action)
            self.assertEqual(sample, minimal)


class Oms(unittest.TestCase):
    """What `oms-operator import` printed of the line beside it; tests/golden/import.rs holds that it still does."""

    def read(self, kind):
        return [document for document in helm.read("deploy", "samples", "oms", "oms.yaml") if document["kind"] == kind]

    def test_the_plan_is_valid_and_its_target_is_there(self):
        [upgrade] = self.read("OmsUpgrade")
        jsonschema.Draft202012Validator(close(read_schema()["properties"]["spec"])).validate(upgrade["spec"])
        self.assertEqual(upgrade["spec"]["action"], "Plan")
        [deployment] = self.read("Deployment")
        self.assertEqual([target["name"] for target in upgrade["spec"]["targets"]], [deployment["metadata"]["name"]])

    def test_the_deployment_is_as_the_documents_want_it(self):
        [deployment] = self.read("Deployment")
        pod = deployment["spec"]["template"]["spec"]
        [oms] = pod["containers"]
        self.assertEqual((deployment["spec"]["replicas"], deployment["spec"]["strategy"]), (1, {"type": "Recreate"}))
        self.assertEqual([entry["value"] for entry in oms["env"] if entry["name"] == "OMS_HOST_IP"], ["10.0.0.11"])
        self.assertLessEqual({"/home/admin/logs", "/home/ds/store", "/home/ds/run", "/home/admin/conf/config.yaml"},
                             {mount["mountPath"] for mount in oms["volumeMounts"]})
        self.assertTrue(pod["hostNetwork"] and oms["securityContext"]["privileged"] and pod["nodeSelector"])

    def test_each_claim_has_its_volume_on_the_node_and_the_pod_uses_it(self):
        volumes = {volume["metadata"]["name"]: volume["spec"] for volume in self.read("PersistentVolume")}
        claims = self.read("PersistentVolumeClaim")
        self.assertEqual(len(claims), 3)
        [deployment] = self.read("Deployment")
        pod = deployment["spec"]["template"]["spec"]
        used = {volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}
        self.assertEqual(used, {claim["metadata"]["name"] for claim in claims})
        for claim in claims:
            volume = volumes[claim["spec"]["volumeName"]]
            self.assertEqual(volume["claimRef"], {"name": claim["metadata"]["name"], "namespace": claim["metadata"]["namespace"]})
            self.assertEqual(volume["persistentVolumeReclaimPolicy"], "Retain")
            [term] = volume["nodeAffinity"]["required"]["nodeSelectorTerms"]
            self.assertEqual(term["matchExpressions"][0]["values"], [pod["nodeSelector"]["kubernetes.io/hostname"]])

    def test_nothing_is_a_secret_but_what_is_called_one(self):
        self.assertEqual(self.read("Secret"), [])
        [secret] = helm.read("deploy", "samples", "oms", "config-secret.yaml")
        self.assertIn("oms_meta_password: 'CHANGE-ME'", secret["stringData"]["config.yaml"])
