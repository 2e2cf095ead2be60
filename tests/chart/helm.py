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


def render(values=None, namespace="here", release="oms-operator"):
    """The objects that a release with these values consists of."""
    return copy.deepcopy(_render(json.dumps(values or {}), namespace, release))


@functools.cache
def _render(values, namespace, release):
    result = subprocess.run([HELM, "template", release, CHART, "--namespace", namespace, "--values", "-"],
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
