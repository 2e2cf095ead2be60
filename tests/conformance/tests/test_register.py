"""The kit against the register and against what the operator itself asks for."""

import os
import re
import unittest

from kit import looks, observations, probes

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


class Register(unittest.TestCase):
    def test_every_assumption_has_a_probe_or_a_reason(self):
        names = re.findall(r"^## (\w+)$", read("docs/assumptions.md"), re.M)
        self.assertGreater(len(names), 15)
        self.assertEqual(set(names), probes.PROBES.keys() | probes.BEYOND.keys())
        self.assertEqual(probes.PROBES.keys() & probes.BEYOND.keys(), set())

    def test_a_reason_is_a_sentence(self):
        for name, why in probes.BEYOND.items():
            self.assertGreater(len(why.split()), 8, name)

    def test_each_says_how_it_looks(self):
        for probe in (*probes.PROBES.values(), *observations.OBSERVATIONS):
            self.assertTrue(probe.__doc__, probe.__name__)

    def test_the_page_names_every_verdict(self):
        page = read("docs/conformance.md")
        for word in (probes.HOLDS, probes.FAILS, probes.UNSEEN, observations.SAME, observations.OTHER, observations.MEASURED):
            self.assertIn(f"`{word}`", page)


class AsTheOperator(unittest.TestCase):
    def test_completion_texts(self):
        texts = re.search(r"COMPLETION_TEXTS: \[&str; \d\] = \[(.*?)\];", read("src/oms/container/init.rs"), re.S).group(1)
        self.assertEqual(tuple(re.findall(r'"(.*?)"', texts)), looks.COMPLETION)

    def test_programs(self):
        names = re.search(r"REQUIRED_PROGRAMS: \[&str; \d\] = \[(.*?)\];", read("src/oms/container/supervisor.rs"), re.S).group(1)
        self.assertEqual(tuple(re.findall(r'"(.*?)"', names)), looks.PROGRAMS)

    def test_states(self):
        words = re.search(r"pub fn parse\(word: &str\) -> Self \{(.*?)_ =>", read("src/oms/project.rs"), re.S).group(1)
        self.assertEqual(tuple(re.findall(r'"([A-Z]+)"', words)), looks.STATES)
