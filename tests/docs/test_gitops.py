"""The page about GitOps has the very texts that lie in deploy/argocd."""

import os
import unittest

import helm
import markdown
import yaml

KIND = os.path.join("deploy", "argocd", "oms.oceanbase.com", "OmsUpgrade")


class ArgoCD(unittest.TestCase):
    def test_the_health_check_is_the_file_s(self):
        block = yaml.safe_load(markdown.find_block("docs/gitops.md", "resource.customizations.health") + "\n")
        self.assertEqual(block["data"], {"resource.customizations.health.oms.oceanbase.com_OmsUpgrade": markdown.read(os.path.join(KIND, "health.lua"))})

    def test_the_actions_are_those_of_the_table(self):
        rows = [line.split("|")[1] for line in markdown.prose("docs/gitops.md").partition("### Actions in Argo CD")[2].splitlines()
                if line.startswith("| `")]
        told = [word.strip("`") for row in rows for word in row.strip().split(", ")]
        there = {name for name in os.listdir(os.path.join(helm.ROOT, KIND, "actions"))
                 if os.path.exists(os.path.join(helm.ROOT, KIND, "actions", name, "action.lua"))}
        self.assertEqual(set(told), there)
        [config] = helm.read("deploy", "argocd", "argocd-cm.yaml")
        defined = yaml.safe_load(config["data"]["resource.customizations.actions.oms.oceanbase.com_OmsUpgrade"])["definitions"]
        self.assertEqual({one["name"] for one in defined}, there)

    def test_the_roles_are_the_chart_s(self):
        status, told = helm.run("template", "oms-operator", helm.CHART, "--namespace", "oms-operator",
                                "--set", "image.repository=a", "--set", "toolsImage.repository=b")
        self.assertEqual(status, 0, told)
        roles = {one["metadata"]["name"] for one in yaml.safe_load_all(told) if one and one["kind"] == "ClusterRole"}
        for binding in yaml.safe_load_all(markdown.find_block("docs/gitops.md", "argocd-buttons-operator")):
            self.assertIn(binding["roleRef"]["name"], roles)
