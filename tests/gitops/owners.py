"""The owner of OMS's Deployment in a scenario: an Application of Argo CD's, or a Kustomization of Flux's, automation on.

What the page of the documents has people write is taken out of the page. May touch: the cluster that it is given, the
repository.
"""

import copy
import json

import markdown
import yaml
from controllers import ArgoCD, Flux, put
from ctl import manifests
from processes import poll
from repository import Repository
from scenarios.owners import find_node

PAGE = "docs/gitops.md"
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
KUSTOMIZATIONS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
DEPLOYMENT = "/apis/apps/v1/namespaces/oms/deployments/oms"


def merge(one, other):
    """A manifest with what another one says besides."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return copy.deepcopy(other)
    return {key: merge(one[key], other[key]) if key in one and key in other else copy.deepcopy(one.get(key, other.get(key)))
            for key in {**one, **other}}


class Owner:
    """What both have in common: a repository with the Deployment in it."""

    def __init__(self, lab):
        self.lab, self.repository = lab, Repository()
        self.deployment = manifests.oms_objects([find_node(lab)])[0]
        self.deployment["metadata"]["namespace"] = lab.namespace
        self.repository.commit("OMS 3.3.1", deployment=self.deployment)

    def close(self):
        """Ends controllers and server."""
        self.repository.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def take_over(self):
        """The Deployment is made anew by the owner alone; waits until OMS serves."""
        self.lab.kubectl("delete", "deployment", "oms", "--cascade=foreground", "--wait", "--timeout=120s")
        self.begin()
        poll("the Deployment made by its owner", lambda: self.lab.api.get(DEPLOYMENT), 60)
        self.lab.wait_serving()

    def commit(self, message, **fields):
        """Git has the Deployment as it was, but for these fields of its container."""
        changed = copy.deepcopy(self.deployment)
        changed["spec"]["template"]["spec"]["containers"][0].update(fields)
        return self.publish(self.repository.commit(message, deployment=changed))

    def commit_image(self, message, image):
        """Git names another image."""
        return self.commit(message, image=image)

    def revert(self):
        """Git names the image of before the newest commit."""
        return self.publish(self.repository.revert())

    def see(self):
        """(image, replicas) of the live Deployment."""
        spec = self.lab.api.get(DEPLOYMENT)["spec"]
        return spec["template"]["spec"]["containers"][0]["image"], spec["replicas"]

    def poll(self, what, check, seconds):
        """Until the check is true; what the controller says is told with a failure."""
        try:
            poll(what, check, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {type(self).__name__}: {self.tell()}") from None


class Application(Owner):
    """Argo CD, with automated sync, selfHeal and prune, and the settings of the page."""

    def __init__(self, lab, settings=True, server_side=False):
        super().__init__(lab)
        self.manifest = {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "oms", "namespace": "argocd"},
            "spec": {"project": "default", "source": {"repoURL": self.repository.address, "path": "oms", "targetRevision": "main"},
                     "destination": {"server": "https://kubernetes.default.svc", "namespace": lab.namespace},
                     "syncPolicy": {"automated": {"prune": True, "selfHeal": True}}}}
        if settings:
            self.manifest = merge(self.manifest, yaml.safe_load(markdown.find_block(PAGE, "ignoreDifferences")))
        if server_side:
            self.manifest["spec"]["syncPolicy"].setdefault("syncOptions", []).append("ServerSideApply=true")
        patch = markdown.find_command(PAGE, "kubectl patch configmap -n argocd argocd-cm").split()[1:]
        self.controller = ArgoCD(lab, lambda: lab.kubectl(*patch))

    def close(self):
        try:
            self.lab.try_kubectl("delete", "application", "oms", "-n", "argocd", "--wait=true", "--timeout=60s")
        finally:
            self.controller.close()
            super().close()

    def begin(self):
        put(self.lab, self.manifest)
        self.wait_synced(self.repository.head())

    def publish(self, revision):
        """Argo CD looks at git now, not in three minutes."""
        self.lab.kubectl("annotate", "application", "oms", "-n", "argocd", "argocd.argoproj.io/refresh=hard", "--overwrite")
        return revision

    def read(self):
        """Its status."""
        return self.lab.api.get(f"{APPLICATIONS}/oms").get("status", {})

    def tell(self):
        """Its status in a line."""
        status = self.read()
        operation = status.get("operationState", {})
        results = [f"{one['kind']}: {one.get('message', '')}" for one in operation.get("syncResult", {}).get("resources", [])]
        return json.dumps({"sync": status.get("sync", {}).get("status"), "revision": status.get("sync", {}).get("revision", "")[:8],
                           "health": status.get("health", {}).get("status"), "phase": operation.get("phase"),
                           "message": operation.get("message"), "results": results}, ensure_ascii=False)

    def wait_synced(self, revision, seconds=120):
        """Until the cluster is as a revision says, by Argo CD's own judgement. Where it is so by itself nothing is synced, and an earlier
        sync that fails goes on to fail for its five tries."""
        def synced():
            sync = self.read().get("sync", {})
            return (sync.get("status"), sync.get("revision")) == ("Synced", revision)
        self.poll(f"synced to {revision[:8]}", synced, seconds)

    def wait_refused(self, *words, seconds=120):
        """Until the cluster is not as the newest revision says, and a sync fails and says why."""
        def refused():
            told, sync = self.tell(), self.read().get("sync", {})
            differs = (sync.get("status"), sync.get("revision")) == ("OutOfSync", self.repository.head())
            return differs and all(word in told for word in words)
        self.poll(f"refused with {words}", refused, seconds)


class Kustomization(Owner):
    """Flux, with a short interval, force-applying as it does."""

    def __init__(self, lab, wait=False):
        super().__init__(lab)
        self.manifest = {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "oms", "namespace": "flux-system"},
            "spec": {"interval": "10s", "retryInterval": "5s", "timeout": "5m" if wait else "30s", "prune": True, "wait": wait,
                     "path": "./oms", "sourceRef": {"kind": "ExternalArtifact", "name": "oms"}}}
        self.controller = Flux(lab)

    def close(self):
        try:
            # Its finalizer would prune; this one is only taken away.
            self.lab.try_kubectl("patch", "kustomization", "oms", "-n", "flux-system", "--type=merge", "-p", '{"spec":{"prune":false}}')
            self.lab.try_kubectl("delete", "kustomization", "oms", "-n", "flux-system", "--wait=true", "--timeout=60s")
        finally:
            self.controller.close()
            super().close()

    def begin(self):
        self.controller.feed(self.repository)
        put(self.lab, self.manifest)
        self.wait_synced(self.repository.head())

    def publish(self, revision):
        """Flux hears of the commit now."""
        self.controller.feed(self.repository)
        return revision

    def read(self):
        """Its status."""
        return self.lab.api.get(f"{KUSTOMIZATIONS}/oms").get("status", {})

    def tell(self):
        """Its status in a line."""
        status = self.read()
        return json.dumps({"applied": status.get("lastAppliedRevision"), "attempted": status.get("lastAttemptedRevision"),
                           "conditions": {one["type"]: f"{one['status']} {one['reason']}: {one['message']}" for one in status.get("conditions", [])}},
                          ensure_ascii=False)

    def wait_synced(self, revision, seconds=120):
        """Until it has applied a revision, and is content."""
        def applied():
            status = self.read()
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
            return ready and status.get("lastAppliedRevision", "").endswith(revision)
        self.poll(f"applied {revision[:8]}", applied, seconds)

    def wait_refused(self, *words, seconds=120):
        """Until its apply fails, and says why."""
        def refused():
            ready = [one for one in self.read().get("conditions", []) if one["type"] == "Ready"]
            return ready and ready[0]["status"] == "False" and all(word in ready[0]["message"] for word in words)
        self.poll(f"refused with {words}", refused, seconds)
