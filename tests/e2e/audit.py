"""The API server's audit log: who called what, written by the API server itself. Reads only."""

import json
import os
from collections import Counter


class Audit:
    """The log of one cluster; a mark is a position in it."""

    def __init__(self, cluster):
        self.path = f"/var/lib/testcluster/{cluster}/audit.log"

    def mark(self):
        """The present end."""
        return os.path.getsize(self.path)

    def calls(self, since=0, user=None):
        """Finished calls from a mark on, of one account or of all."""
        with open(self.path, "rb") as log:
            log.seek(since if since <= self.mark() else 0)
            for line in log:
                if user is not None and user.encode() not in line:
                    continue
                try:
                    call = json.loads(line)
                except ValueError:
                    continue  # the last line may be half written
                if user is None or call["user"]["username"] == user:
                    yield call


def subject(call):
    """(verb, API group, resource or resource/subresource) of a call."""
    thing = call.get("objectRef", {})
    resource = thing.get("resource", call["requestURI"])
    if thing.get("subresource"):
        resource += "/" + thing["subresource"]
    return call["verb"], thing.get("apiGroup", ""), resource


def succeeded(call):
    """Whether the API server did what it was asked."""
    return call.get("responseStatus", {}).get("code", 0) < 300


def made(calls, resource):
    """Names of the objects of a resource that were made, with how often."""
    return Counter(call["objectRef"].get("name", "") for call in calls
                   if subject(call)[0] == "create" and subject(call)[2] == resource and succeeded(call))


def status_writes(calls, name):
    """Successful status writes of one OmsUpgrade, those that were only tried left out."""
    return [call for call in calls if subject(call)[2] == "omsupgrades/status" and succeeded(call)
            and call["objectRef"].get("name") == name and call["verb"] in ("update", "patch")
            and "dryRun=" not in call["requestURI"]]


def granted(rules):
    """{(verb, group, resource)} of a Role's rules."""
    return {(verb, group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]
            for verb in rule["verbs"]}
