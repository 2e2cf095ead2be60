"""Every command and every manifest of README.md and docs is run by a test, or named with the reason why not; and every one is held
against what it calls.

Blocks are taken out of the pages, so that what people copy is what is judged. On a cluster they are run by the end-to-end scenarios
`documents-…`; which ones is read from there.
"""

import ast
import functools
import glob
import json
import os
import re
import shlex
import subprocess
import tempfile
import unittest

import helm
import jsonschema
import markdown
import yaml
from test_samples import close, read_schema

# For those who change the operator; the commands of the others are for users.
PAGES = ["README.md", *sorted(os.path.relpath(path, helm.ROOT) for path in glob.glob(os.path.join(helm.ROOT, "docs", "*.md")))]
KUBECTL = os.path.join(helm.ROOT, ".cache", "bin", "kubectl")
ABBREVIATIONS = {"omsup": "omsupgrades"}
SHELL = {"&&", "||", "|", ";", ">", "<", ">>"}


@functools.cache
def read_lists():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "commands.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


def split(command):
    """The simple commands of a line: pipes, lists and redirections taken apart, quotes kept. Nothing is expanded."""
    parts, part, quote = [], "", ""
    for number, letter in enumerate(command):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        if not quote and letter in "|;&" and command[number - 1:number + 1] != "2>":
            parts.append(part)
            part = ""
        else:
            part += letter
    parts.append(part)
    cut = [re.sub(r"""\s[<>]{1,2}\s*[^\s'"]+\s*$""", "", part).strip() for part in parts]
    return [part for part in cut if part]


def list_commands():
    """(page, simple command) of all blocks without a language."""
    return [(page, part) for page in PAGES for block in markdown.blocks(page) if not block.language
            for command in markdown.commands(block.text) for part in split(command)]


@functools.cache
def list_followed():
    """Whole commands that the end-to-end scenarios take out of the pages and run."""
    sources = [ast.parse(markdown.read(f"tests/e2e/scenarios/{name}.py")) for name in ("reading", "importing")]
    calls = [node for source in sources for node in ast.walk(source) if isinstance(node, ast.Call)]
    # A scenario about one page may call it PAGE.
    pages = {node.value.value for source in sources for node in source.body
             if isinstance(node, ast.Assign) and node.targets[0].id == "PAGE"}
    [page] = pages
    named = [[page if isinstance(word, ast.Name) else word.value for word in call.args[:2]] for call in calls
             if isinstance(call.func, ast.Attribute) and call.func.attr in ("follow", "look")]
    return {markdown.find_command(page, beginning) for page, beginning in named}


@functools.cache
def ask_for_help(*words):
    """What kubectl says of one of its commands, with the options that all have."""
    told = [subprocess.run([KUBECTL, *arguments], capture_output=True, text=True, timeout=60) for arguments in ([*words, "--help"], ["options"])]
    return told[0].returncode, "".join(one.stdout + one.stderr for one in told)


def list_paths(expression):
    """Paths of fields in a JSONPath template, those in a range with the range's."""
    found, base = [], ""
    for token in re.findall(r"\{([^}]*)\}", expression):
        if token.startswith("range "):
            base = re.sub(r"\[[^\]]*\]", "", token[6:].strip())
            found.append(base)
        elif token == "end":
            base = ""
        elif token.startswith("."):
            found.append(base + re.sub(r"\[[^\]]*\]", "", token))
    return found


def has_field(schema, path):
    """Whether a field is in the definition; metadata is every object's."""
    for name in path.strip(".").split("."):
        if name == "metadata":
            return True
        schema = schema.get("items", schema)
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def check_spec(case, spec):
    """A part of a spec, with no field that the definition does not have."""
    schema = close(read_schema()["properties"]["spec"])

    def loosen(part):
        """Without what is required: a fragment need not be whole."""
        if isinstance(part, dict):
            return {key: loosen(value) for key, value in part.items() if key != "required"}
        return [loosen(value) for value in part] if isinstance(part, list) else part
    jsonschema.Draft202012Validator(loosen(schema)).validate(spec)
    case.assertTrue(spec)


class Commands(unittest.TestCase):
    def check_kubectl(self, words):
        verbs = [words[1]] if words[1] not in ("create", "rollout") else words[1:3]
        if verbs == ["create", "secret"]:
            verbs = words[1:4]
        status, told = ask_for_help(*verbs)
        self.assertEqual(status, 0, f"kubectl has no command {verbs}")
        if verbs[0] != "exec":
            for word in words:
                option = re.match(r"(--[a-z-]+|-[a-zA-Z])(=|$)", word)
                if option and word != "--":
                    self.assertRegex(told, rf"{re.escape(option.group(1))}[ =,:]", f"kubectl {' '.join(verbs)} has no {option.group(1)}")
        values = dict(zip(words, words[1:]))
        values |= dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
        named = {ABBREVIATIONS.get(word, word) for word in words}
        crd = read_schema()
        if "omsupgrades" in named:
            output = values.get("-o", "")
            for path in list_paths(output):
                self.assertTrue(has_field(crd, path), f"there is no field {path}")
            for path in re.findall(r":(\.[\w.]+)", output) + re.findall(r"jsonpath='?\{(\.[\w.]+)\}", " ".join(words)):
                self.assertTrue(has_field(crd, path), f"there is no field {path}")
            patch = values.get("-p", values.get("--patch"))
            if patch:
                fields = json.loads(patch)
                if "spec" in fields:
                    check_spec(self, fields["spec"])
            waited = re.match(r"condition=(\w+)", values.get("--for", ""))
            if waited:
                source = markdown.read("src/api/conditions.rs")
                self.assertIn(f'"{waited.group(1)}"', source, "there is no such condition")
        for path in re.findall(r"-f (\S+)", " ".join(words)):
            # What the reader writes himself, and what comes through a pipe.
            self.assertIn(path, ("plan.yaml", "oms.yaml", "-"))

    def check_helm(self, words):
        status, told = helm.run(words[1], "--help")
        self.assertEqual(status, 0, told)
        for word in words:
            if word.startswith("--"):
                self.assertIn(word.split("=")[0] + " ", told.replace("=", " "), f"helm {words[1]} has no such option")
        if words[1] in ("install", "upgrade", "template"):
            release, chart, *options = words[2:]
            # The file of values is the reader's own; the package is made of the chart.
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
                json.dump(helm.IMAGES, values)
                values.flush()
                options = [values.name if option == "values.yaml" else option for option in options if option != "--create-namespace"]
                chart = helm.CHART if chart in ("charts/oms-operator", f"oms-operator-{self.version()}.tgz") else chart
                status, told = helm.run("template", release, chart, *options)
            self.assertEqual(status, 0, told)
            self.assertNotIn("localhost/", told)

    def version(self):
        [chart] = helm.read("charts", "oms-operator", "Chart.yaml")
        return chart["version"]

    def check_make(self, words):
        makefile = markdown.read("Makefile")
        for word in words[1:]:
            if "=" in word:
                self.assertIn(word.split("=")[0], makefile)
            else:
                self.assertRegex(makefile, rf"(?m)^{re.escape(word)}:")

    def check_docker(self, words):
        self.assertEqual(words[1], "build")
        given = dict(zip(words, words[1:]))
        self.assertRegex(markdown.read(given["-f"]), rf"(?m)^FROM .* AS {given['--target']}$")
        self.assertEqual(given["-t"].rsplit(":", 1)[1], self.version())

    def check_sed(self, words):
        rendered = subprocess.run(words, cwd=helm.ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
        images = set(re.findall(r'(?:image: "|--tools-image=)([^"\s]+)', rendered))
        self.assertEqual(images, {f"registry.internal/oms-operator:{self.version()}", f"registry.internal/oms-operator-tools:{self.version()}"})

    def check_perl(self, words):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
                file.write(markdown.read("tests/golden/files/manifest.json"))
            result = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
        self.assertRegex(result.stdout, r"^SELECT '\S+', COUNT\(\*\) = \d+ FROM `\S+`\.`\S+`;\n")

    def check_cargo(self, words):
        for name in re.findall(r"--test (\w+)", " ".join(words)):
            self.assertTrue(os.path.exists(os.path.join(helm.ROOT, "tests", name)), name)

    def test_every_command_is_run_or_named(self):
        lists, used, followed = read_lists(), set(), list_followed()
        known = [entry["match"] for kind in ("run", "needs") for entry in lists[kind]]
        self.assertGreater(len(followed), 40)
        for page in PAGES:
            for command in [one for block in markdown.blocks(page) if not block.language for one in markdown.commands(block.text)]:
                for part in split(command) if command not in followed else ():
                    with self.subTest(page=page, command=part):
                        matching = [match for match in known if part.startswith(match)]
                        used |= set(matching)
                        self.assertTrue(matching, "no scenario follows it, no test runs it, and tests/docs/commands.yaml has no reason")
        self.assertEqual(set(known) - used, set(), "tests/docs/commands.yaml names what no page says, or what runs on the cluster")

    def test_every_command_is_what_its_program_takes(self):
        commands = list_commands()
        self.assertGreater(len(commands), 60)
        for page, command in commands:
            with self.subTest(page=page, command=command):
                # Leading settings of variables are the shell's.
                words = [word for word in shlex.split(command)]
                while re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                checker = getattr(self, f"check_{words[0]}", None)
                if words[0] == "docker" and words[1] != "build":
                    checker = None
                if checker:
                    checker(words)

    def test_what_is_said_to_run_stands_there(self):
        for entry in read_lists()["run"]:
            self.assertIn(entry["words"], markdown.read(entry["file"]), entry["match"])


class Manifests(unittest.TestCase):
    # Those of others, by a word in them: what they are judged by.
    OTHERS = {"kind: PersistentVolumeClaim": "Kubernetes", "ignoreDifferences": "Argo CD", "resource.customizations.health": "Argo CD", "policy.csv": "Argo CD", "kind: Pod": "Kubernetes", "kind: RoleBinding": "Kubernetes"}

    def test_every_manifest_is_what_the_definition_allows(self):
        seen, fields = 0, set(read_schema()["properties"]["spec"]["properties"])
        for page in PAGES:
            for block in markdown.blocks(page):
                if block.language != "yaml":
                    continue
                with self.subTest(page=page, block=block.text[:60]):
                    documents = list(yaml.safe_load_all(block.text))
                    if any(word in block.text for word in self.OTHERS):
                        continue
                    seen += 1
                    for document in documents:
                        if "apiVersion" in document:
                            self.assertEqual((document["apiVersion"], document["kind"]), ("oms.oceanbase.com/v1alpha1", "OmsUpgrade"))
                            jsonschema.Draft202012Validator(close(read_schema()["properties"]["spec"])).validate(document["spec"])
                        else:
                            spec = document.get("spec", document)
                            self.assertLessEqual(set(spec), fields)
                            check_spec(self, spec)
        self.assertGreater(seen, 8)

    def test_the_chart_s_values_are_taken(self):
        for block in markdown.blocks("charts/oms-operator/README.md"):
            if block.language == "yaml":
                values = yaml.safe_load(block.text.replace("sha256:…", "sha256:" + "0" * 64))
                self.assertIsNone(helm.refusal(values))
