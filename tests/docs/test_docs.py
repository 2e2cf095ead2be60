"""The documents tell every right of the operator, and their links lead somewhere."""

import glob
import os
import re
import unittest

import helm
import markdown
from markdown import pages

# What reads like a path of this repository, wherever in a page it stands. A name in angle brackets ends it: its folder counts.
PATH = re.compile(r"(?<![\w./<>-])(?:src|tests|docs|scripts|charts|crds|deploy)/[\w./-]*")
# A test or another item of the sources, in three words or more: `no_room_knows_one_above_it`.
ITEM = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`")


def read(*path):
    return markdown.read(os.path.join(*path))


class Rights(unittest.TestCase):
    def test_the_table_is_the_role(self):
        rights = set()
        for name in ("upgrade-rules.yaml", "role-rules.yaml", "lease-rules.yaml", "definition-rules.yaml", "application-rules.yaml"):
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

    def test_the_table_of_roles_for_people_is_what_they_hold(self):
        [roles] = helm.read("charts", "oms-operator", "files", "user-rules.yaml")
        held = {name: {verb for rule in rules for verb in rule["verbs"]} for name, rules in roles.items()}
        told = {}
        for line in read("docs", "rbac.md").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| `") and len(cells) == 4:
                told[cells[0].strip("`")] = set(cells[1].replace(",", " ").split())
        self.assertEqual(told, held)


class Links(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in pages():
            for target, anchor in markdown.links(page):
                with self.subTest(page=page, target=target, anchor=anchor):
                    if target.startswith("http"):
                        self.assertTrue(target.startswith("https://"))
                        continue
                    found = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
                    self.assertTrue(os.path.exists(os.path.join(helm.ROOT, found)))
                    if anchor:
                        self.assertIn(anchor, markdown.anchors(found))

    def test_the_vendors_pages_are_linked(self):
        for page in ("README.md", "docs/prepare.md"):
            self.assertTrue(any("oceanbase.com/docs/" in target for target, _ in markdown.links(page)), page)

    def test_paths_lead_somewhere(self):
        # The changelog tells of what was, too.
        for page in set(pages()) - {"CHANGELOG.md"}:
            folder = os.path.dirname(os.path.join(helm.ROOT, page))
            for path in sorted(set(PATH.findall(read(page)))):
                with self.subTest(page=page, path=path):
                    found = [os.path.exists(os.path.join(base, path.rstrip("."))) for base in (helm.ROOT, folder)]
                    self.assertTrue(any(found))

    def test_tests_and_items_are_there(self):
        known = set()
        for folder in ("src", "tests"):
            for path in glob.glob(os.path.join(helm.ROOT, folder, "**", "*.rs"), recursive=True):
                known |= set(re.findall(r"[a-z0-9_]+", read(path)))
        for page in ("CONTRIBUTING.md", "docs/architecture.md"):
            items = set(ITEM.findall(read(page)))
            self.assertGreater(len(items), 3)
            self.assertEqual(items - known, set(), page)


class Map(unittest.TestCase):
    def test_the_rooms_are_those_of_the_tests(self):
        rooms = re.search(r"const ROOMS: \[&str; \d+\] = \[(.*?)\];", read("tests", "architecture", "rooms.rs"), re.S).group(1)
        table = read("docs", "architecture.md").partition("| Room |")[2].partition("\n\n")[0]
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", table, re.M), re.findall(r'"(\w+)"', rooms))
