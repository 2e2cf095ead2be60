"""conformance.json and the table for people. Writes the one file it is told."""

import json
import os
import textwrap
import time

from kit import observations, probes

SCHEMA = "oms-operator/conformance/v1"


def make(journey, engine):
    """Everything that was found, as it is written down; not cleaned yet."""
    facts = journey.facts
    return {
        "schema": SCHEMA,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "images": {name: {key: image[key] for key in ("name", "digest")} for name, image in journey.images.items()},
        "metadb": {"engine": engine, "version": facts.find("ground.version"), "databases_were_there": bool(facts.find("ground.databases"))},
        "runtime": journey.rig.name,
        "assumptions": probes.judge(facts),
        "observations": observations.compare(facts),
        "stages": {name: {"seconds": seconds, **({"ended_early": facts.failed[name]} if name in facts.failed else {})}
                   for name, seconds in journey.seconds.items()},
    }


def write(report, path):
    """One JSON file, whole or not at all."""
    with open(path + ".partial", "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2, ensure_ascii=False)
        file.write("\n")
    os.replace(path + ".partial", path)


def table(report, width=110):
    """What people read."""
    lines = [f"{report['images']['old']['name']} -> {report['images']['new']['name']}, MetaDB {report['metadb']['engine']}"
             f" {report['metadb']['version']}, {report['date']}", ""]
    for title, found in (("Assumptions", report["assumptions"]), ("Beside the stand-in", report["observations"])):
        lines.append(title)
        for name, one in found.items():
            lines.append(f"  {name:22}  {one['verdict']}")
            lines += textwrap.wrap(one["evidence"], width, initial_indent=" " * 6, subsequent_indent=" " * 6, max_lines=4, placeholder=" ...")
        lines.append("")
    counts = {}
    for one in report["assumptions"].values():
        counts[one["verdict"]] = counts.get(one["verdict"], 0) + 1
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return "\n".join(lines)
