"""Runs Helm and reads what it renders."""

import copy
import functools
import json
import os
import subprocess

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "charts", "oms-operator")
HELM = os.path.join(ROOT, ".cache", "bin", "helm")


def run(*arguments):
    """(exit status, output) of one Helm call."""
    result = subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=120)
    return result.returncode, result.stdout + result.stderr


# The chart has no default for them.
IMAGES = {"image": {"repository": "registry.example.com/oms-operator"},
          "toolsImage": {"repository": "registry.example.com/oms-operator-tools"}}


def render(values=None, namespace="here", release="oms-operator"):
    """The objects that a release with these values consists of, without what `helm test` makes."""
    return copy.deepcopy(_render(json.dumps(merge(IMAGES, values or {})), namespace, release, "--skip-tests"))


def render_test(values=None):
    """The pod of `helm test`."""
    [pod] = _render(json.dumps(merge(IMAGES, values or {})), "here", "oms-operator", "--show-only", "templates/tests/check.yaml")
    return copy.deepcopy(pod)


def merge(base, over):
    """Values as Helm merges them."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: merge(base[key], value) if key in base else value for key, value in over.items()}}


@functools.cache
def _render(values, namespace, release, *options):
    result = subprocess.run([HELM, "template", release, CHART, "--namespace", namespace, "--values", "-", *options],
                            input=values, capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def refusal(values):
    """What Helm says when it refuses values; None when it takes them."""
    try:
        render(values)
    except AssertionError as error:
        return str(error)
    return None


def pick(objects, kind, name=None, namespace=None):
    """The objects of a kind, perhaps by name and namespace."""
    return [found for found in objects if found["kind"] == kind
            and name in (None, found["metadata"]["name"])
            and namespace in (None, found["metadata"].get("namespace"))]


def read(*path):
    """All YAML documents of a file of the project."""
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]
