"""The pages: both languages tell the same, README is short, the summary is whole, pictures and recording are up to date, the site stands."""

import glob
import os
import re
import subprocess
import unittest

import helm
import markdown

# Words, blocks aside; more is not read to its end.
README_WORDS = 900
# Pages that are made from sources, in which sentences come again.
GENERATED = {"docs/reference.md", "docs/states.md"}


def list_summary():
    """Part of the summary → its pages, by their paths from the root."""
    parts, part = {}, ""
    for line in markdown.read("docs/SUMMARY.md").splitlines():
        if line.startswith("# "):
            part = line[2:]
        found = re.search(r"\]\((.+)\)", line)
        if found:
            parts.setdefault(part, []).append(os.path.normpath(os.path.join("docs", found.group(1))))
    return parts


def list_pairs():
    """(English, Chinese) of each page that is in both languages: the README, the tasks, and the reasons."""
    tasks = [*list_summary()["Tasks"], "docs/troubleshooting.md"]
    return [("README.md", "README.zh-CN.md"), *((page, page.replace("docs/", "docs/zh-CN/")) for page in tasks)]


class Languages(unittest.TestCase):
    def test_both_have_the_same_pages(self):
        chinese = {chinese for _, chinese in list_pairs()} - {"README.zh-CN.md"}
        there = {os.path.relpath(path, helm.ROOT) for path in glob.glob(os.path.join(helm.ROOT, "docs", "zh-CN", "*.md"))}
        self.assertEqual(chinese, there)
        self.assertEqual(set(list_summary()["中文"]), chinese | {"README.zh-CN.md"})

    def test_both_have_the_same_headings_commands_and_reasons(self):
        for english, chinese in list_pairs():
            with self.subTest(chinese):
                self.assertEqual([level for level, _ in markdown.headings(english)], [level for level, _ in markdown.headings(chinese)])
                self.assertEqual([(block.language, block.text) for block in markdown.blocks(english)],
                                 [(block.language, block.text) for block in markdown.blocks(chinese)])
                reasons = [re.findall(r'<a id="(\w+)">', markdown.read(page)) for page in (english, chinese)]
                self.assertEqual(*reasons)
                # Rows and columns of the tables, and how many rules or steps there are.
                shape = [[line.count(" | ") for line in markdown.prose(page).splitlines() if line.startswith("| ")] for page in (english, chinese)]
                self.assertEqual(*shape)

    def test_the_chinese_ones_are_chinese(self):
        for _, chinese in list_pairs():
            signs = len(re.findall(r"[\u4e00-\u9fff]", markdown.prose(chinese)))
            self.assertGreater(signs, 150, chinese)

    def test_words_in_back_ticks_are_those_of_the_product(self):
        """A word in a Chinese page that the English one does not have is a slip of the pen."""
        for english, chinese in list_pairs():
            if chinese.endswith("troubleshooting.md"):
                continue
            words = [set(re.findall(r"`([^`\n]+)`", markdown.prose(page))) for page in (english, chinese)]
            strange = {word for word in words[1] - words[0] if word not in markdown.read(english)}
            self.assertEqual(strange, set(), chinese)


class Pages(unittest.TestCase):
    def test_the_readme_is_read_to_its_end(self):
        self.assertLessEqual(len(markdown.prose("README.md").split()), README_WORDS)

    def test_the_summary_is_whole(self):
        listed = [page for pages in list_summary().values() for page in pages]
        self.assertEqual(len(listed), len(set(listed)))
        there = {page for page in markdown.pages() if page.startswith("docs/")} - {"docs/SUMMARY.md"}
        self.assertEqual(there - set(listed), set())

    def test_no_page_says_what_another_one_says(self):
        said = {}
        for page in sorted(page for pages in list_summary().values() for page in pages):
            if page.startswith("docs/") and page not in GENERATED:
                text = " ".join(line for line in markdown.prose(page).splitlines() if not line.startswith(("|", "#")))
                for sentence in set(re.split(r"(?<=[.:;。；]) +", re.sub(r"\s+", " ", text))):
                    if len(sentence) > 80:
                        said.setdefault(sentence, []).append(page)
        twice = {sentence: pages for sentence, pages in said.items() if len(pages) > 1}
        self.assertEqual(twice, {})


class Pictures(unittest.TestCase):
    def test_they_are_what_their_sources_say(self):
        result = subprocess.run([os.path.join(helm.ROOT, "scripts", "pictures.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_recording_is_of_the_procedure_that_runs(self):
        """Phases, steps, conditions and reasons of the recording, and their order, are those of a walk through the sources as they are."""
        trace = markdown.read("tests/traces/success.txt")
        known = set(re.findall(r" user +(\w+=\w+ \w+):", trace))
        # Told, not shown: the view leaves out what is False from the beginning.
        steps = list(dict.fromkeys(line.split()[0] for line in trace.splitlines() if re.match(r"[A-Z]\w+ +(enter|user|status) ", line)))
        recorded = markdown.read("tests/demo/recorded.txt").partition("\n\n")[0].splitlines()[1:]
        heads = [line[10:53].rstrip() for line in recorded]
        conditions = {re.sub(r"[()]", "", head.strip()) for head in heads if "=" in head}
        self.assertGreater(len(conditions), 5)
        self.assertEqual(conditions - known, set())
        seen = [head.split(" / ")[-1].strip() for head in heads if not head.startswith(" ")]
        self.assertEqual(seen, [step for step in steps if step in seen])
        # A walk has no Planned, and none of a way back.
        self.assertEqual(set(steps) - set(seen) - {"Pending"}, set())


class Site(unittest.TestCase):
    def test_it_is_built_and_its_links_lead_somewhere(self):
        result = subprocess.run([os.path.join(helm.ROOT, "scripts", "site.py")], capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
