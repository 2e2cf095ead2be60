"""The steps of an upgrade: steps.json is written from the operator's sources (`cargo test --test golden` compares it)."""

import json
import os


def read():
    """Each step in the order of the procedure: its name, its phase on the way forward, and on which ways it lies."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "steps.json"), encoding="utf-8") as file:
        return json.load(file)


def list_aborted():
    """Short word and name of each step that ends in an abort when it cannot be done."""
    return {write_kebab(entry["phase"]): entry["step"] for entry in read() if entry["beforeTheLine"] and entry["turnsBack"]}


def write_kebab(name):
    """DisablingHa → disabling-ha."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
