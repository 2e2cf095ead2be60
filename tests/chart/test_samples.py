"""The samples are what the definition allows, and the full one shows every field.

CEL rules are judged by a real API server in the end-to-end tests.
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
        names = sorted(os.listdir(SAMPLES))
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
