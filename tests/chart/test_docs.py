"""The documents say something about every reason, and about every right of the operator."""

import glob
import os
import re
import unittest

import helm

# Failure::new("X", …), Next::trouble(n, "X", …), reason: "X".into()
REASON = re.compile(r'(?:Failure::new\(|Next::trouble\(\s*\d+,|reason:)\s*"([A-Z][A-Za-z]+)"')
CHECK = re.compile(r'(?:CheckId::fixed|\bfixed)\(\s*"([A-Za-z]+)"')


def read(*path):
    with open(os.path.join(helm.ROOT, *path), encoding="utf-8") as file:
        return file.read()


def brain():
    return "\n".join(read(path) for path in glob.glob(os.path.join(helm.ROOT, "src", "upgrade", "*.rs")))


class Troubleshooting(unittest.TestCase):
    def setUp(self):
        self.known = set(re.findall(r"`([A-Za-z]+)`", read("docs", "troubleshooting.md")))

    def test_every_reason_of_the_brain(self):
        reasons = set(REASON.findall(brain()))
        self.assertGreater(len(reasons), 40)
        self.assertEqual(reasons - self.known, set())

    def test_every_reason_of_the_agent(self):
        body = re.search(r"pub enum Reason \{(.*?)\n\}", read("src", "agent", "report.rs"), re.S).group(1)
        reasons = set(re.findall(r"^    ([A-Z][A-Za-z]+),", body, re.M)) - {"Completed"}
        self.assertGreater(len(reasons), 20)
        self.assertEqual(reasons - self.known, set())

    def test_every_check(self):
        body = re.search(r"pub enum CheckName \{(.*?)\n\}", read("src", "api", "checks.rs"), re.S).group(1)
        checks = set(re.findall(r"^    ([A-Z][A-Za-z]+),", body, re.M)) | set(CHECK.findall(brain()))
        self.assertEqual(checks - self.known, set())


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
