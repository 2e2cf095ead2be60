"""The documents tell every right of the operator, and their links lead somewhere."""

import glob
import os
import re
import unittest

import helm

def read(*path):
    with open(os.path.join(helm.ROOT, *path), encoding="utf-8") as file:
        return file.read()


class Rights(unittest.TestCase):
    def test_the_table_is_the_role(self):
        rights = set()
        for name in ("upgrade-rules.yaml", "role-rules.yaml", "lease-rules.yaml"):
            [rules] = helm.read("charts", "oms-operator", "files", name)
            rights |= {(group, resource, verb) for rule in rules for group in rule["apiGroups"]
                       for resource in rule["resources"] for verb in rule["verbs"]}
        told = set()
        for line in read("docs", "rbac.md").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| `") and len(cells) == 3:
                group, _, resource = cells[0].strip("`").partition("/")
                if group == "core":
                    group = ""
                told |= {(group, resource, verb) for verb in cells[1].replace(",", " ").split()}
        self.assertEqual(told, rights)


class Links(unittest.TestCase):
    def test_links_to_files_lead_somewhere(self):
        pages = ["README.md", "CHANGELOG.md", "SECURITY.md", *glob.glob(os.path.join(helm.ROOT, "docs", "*.md"))]
        for page in pages:
            folder = os.path.dirname(os.path.join(helm.ROOT, page))
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(page)):
                if not target.startswith("http"):
                    with self.subTest(page=os.path.relpath(os.path.join(helm.ROOT, page), helm.ROOT), target=target):
                        self.assertTrue(os.path.exists(os.path.join(folder, target)))
