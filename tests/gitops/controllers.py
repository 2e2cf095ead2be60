"""The real Argo CD and the real Flux as processes of this machine, beside a test cluster.

May touch: the processes that it starts, a folder of its own, the namespaces `argocd` and `flux-system` of the cluster that it
is given.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import installation
from processes import poll

BIN = os.path.join(installation.ROOT, ".cache", "gitops", "bin")
MODULES = subprocess.run(["go", "env", "GOMODCACHE"], check=True, capture_output=True, text=True).stdout.strip()
ARGOCD = os.path.join(MODULES, "github.com/argoproj/argo-cd/v3@v3.5.7")
FLUX = [os.path.join(MODULES, "github.com/fluxcd", name) for name in ("kustomize-controller@v1.9.5", "source-controller@v1.9.4")]
PROJECT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default", "namespace": "argocd"},
           "spec": {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}],
                    "clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}}


def find_port():
    """A port of the loopback address that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Processes:
    """Programs that are started together, end together, and are told about when one of them dies."""

    def __init__(self, lab):
        self.lab, self.running = lab, {}
        self.folder = tempfile.TemporaryDirectory(prefix="oms-controllers-")
        self.logs = os.path.join(installation.ROOT, ".cache", "gitops", "log")
        os.makedirs(self.logs, exist_ok=True)

    def start(self, name, *command, **environment):
        """Starts a program; its output is kept."""
        log = open(os.path.join(self.logs, f"{name}.log"), "w", encoding="utf-8")
        self.running[name] = subprocess.Popen(command, cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                              env={**os.environ, "KUBECONFIG": self.lab.kubeconfig, **environment})
        log.close()

    def wait_healthy(self, *addresses):
        """Until each address answers."""
        def answers():
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended with {process.returncode}; see {self.logs}/{name}.log")
            try:
                return all(urllib.request.urlopen(address, timeout=2).status == 200 for address in addresses)
            except OSError:
                return False
        poll("controllers healthy", answers, 120)

    def close(self):
        """Ends all that was started."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.running.clear()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def apply(lab, *arguments, stdin=None):
    """Server-side apply of what a controller brings."""
    lab.kubectl("apply", "--server-side", "--force-conflicts", *arguments, stdin=stdin)


def put(lab, manifest):
    """Applies an object of whatever namespace."""
    lab.kubectl("apply", "-n", manifest["metadata"]["namespace"], "-f", "-", stdin=json.dumps(manifest))


def wait_established(lab, *names):
    """Until definitions are served. (`kubectl wait` fails where there are no conditions yet.)"""
    def served(name):
        found = lab.api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        return any(one["type"] == "Established" and one["status"] == "True" for one in found.get("status", {}).get("conditions") or [])
    for name in names:
        poll(f"{name} is served", lambda name=name: served(name), 60)


class ArgoCD(Processes):
    """Application controller, repo server and Redis, with the ConfigMap of the documents."""

    def __init__(self, lab, patch):
        super().__init__(lab)
        try:
            self.install(patch)
            self.run()
        except BaseException:
            self.close()
            raise

    def install(self, patch):
        """Definitions and configuration as Argo CD ships them, then what the documents have people add (`patch`)."""
        crds = [word for name in ("application", "applicationset", "appproject")
                for word in ("-f", os.path.join(ARGOCD, "manifests", "crds", f"{name}-crd.yaml"))]
        apply(self.lab, *crds)
        self.lab.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
        config = [word for name in ("argocd-cm", "argocd-cmd-params-cm", "argocd-gpg-keys-cm", "argocd-rbac-cm", "argocd-secret",
                                    "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm")
                  for word in ("-f", os.path.join(ARGOCD, "manifests", "base", "config", f"{name}.yaml"))]
        apply(self.lab, "-n", "argocd", *config)
        wait_established(self.lab, "applications.argoproj.io", "appprojects.argoproj.io")
        put(self.lab, PROJECT)
        patch()

    def run(self):
        """Starts them, each on ports that nobody has."""
        redis, repo, metrics, health = (find_port() for _ in range(4))
        path = os.path.join(self.folder.name, "path")
        os.makedirs(path)
        # The repo server runs these of its image at every revision.
        for name in ("git-verify-wrapper.sh", "gpg-wrapper.sh"):
            shutil.copy(os.path.join(ARGOCD, "hack", name), path)
            os.chmod(os.path.join(path, name), 0o755)
        program = os.path.join(BIN, "argocd")
        os.symlink(program, os.path.join(path, "argocd-git-ask-pass"))
        folders = {name: os.path.join(self.folder.name, name) for name in ("tls", "ssh", "gpg", "keys", "plugins", "tmp")}
        for folder in folders.values():
            os.makedirs(folder)
        common = {"ARGOCD_FAKE_IN_CLUSTER": "true", "ARGOCD_GPG_ENABLED": "false", "ARGOCD_TLS_DATA_PATH": folders["tls"],
                  "ARGOCD_SSH_DATA_PATH": folders["ssh"], "ARGOCD_GPG_DATA_PATH": folders["gpg"], "ARGOCD_GNUPGHOME": folders["keys"],
                  "ARGOCD_PLUGINSOCKFILEPATH": folders["plugins"], "TMPDIR": folders["tmp"], "HELM_CACHE_HOME": folders["tmp"],
                  "PATH": path + ":" + os.environ["PATH"]}
        self.start("redis", "redis-server", "--bind", "127.0.0.1", "--port", str(redis), "--save", "", "--appendonly", "no")
        self.start("argocd-repo-server", program, "--address", "127.0.0.1", "--port", str(repo), "--metrics-address", "127.0.0.1",
                   "--metrics-port", str(metrics), "--redis", f"127.0.0.1:{redis}", "--disable-tls", "--client-ca-path", "",
                   "--logformat", "text", ARGOCD_BINARY_NAME="argocd-repo-server", **common)
        self.start("argocd-application-controller", program, "-n", "argocd", "--redis", f"127.0.0.1:{redis}", "--repo-server",
                   f"127.0.0.1:{repo}", "--repo-server-plaintext", "--metrics-port", str(health), "--logformat", "text",
                   ARGOCD_BINARY_NAME="argocd-application-controller", HOSTNAME="argocd-application-controller-0", **common)
        self.wait_healthy(f"http://127.0.0.1:{metrics}/healthz", f"http://127.0.0.1:{health}/healthz")


class Flux(Processes):
    """kustomize-controller. Flux's source-controller is not there: what it would fetch is published in its place (`feed`)."""

    def __init__(self, lab):
        super().__init__(lab)
        try:
            for module in FLUX:
                apply(lab, "-f", os.path.join(module, "config", "crd", "bases"))
            lab.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
            wait_established(lab, "kustomizations.kustomize.toolkit.fluxcd.io", "externalartifacts.source.toolkit.fluxcd.io")
            metrics, health = find_port(), find_port()
            self.start("kustomize-controller", os.path.join(BIN, "kustomize-controller"), "--metrics-addr", f"127.0.0.1:{metrics}",
                       "--health-addr", f"127.0.0.1:{health}", "--watch-all-namespaces", "--feature-gates=ExternalArtifact=true",
                       "--requeue-dependency", "5s", RUNTIME_NAMESPACE="flux-system", TMPDIR=self.folder.name)
            self.wait_healthy(f"http://127.0.0.1:{health}/readyz")
        except BaseException:
            self.close()
            raise

    def feed(self, repository, name="oms"):
        """Publishes the head of a repository, as source-controller does when it has fetched it; the revision."""
        path, packed = repository.pack()
        revision = f"main@sha1:{repository.head()}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        artifact = {"url": f"{repository.server.address}/{path}", "path": path, "revision": revision, "size": len(packed),
                    "digest": "sha256:" + hashlib.sha256(packed).hexdigest(), "lastUpdateTime": now}
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "lastTransitionTime": now}
        put(self.lab, {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "ExternalArtifact",
                       "metadata": {"name": name, "namespace": "flux-system"}, "spec": {}})
        self.lab.kubectl("patch", "externalartifact", name, "-n", "flux-system", "--subresource=status", "--type=merge", "-p",
                         json.dumps({"status": {"artifact": artifact, "conditions": [ready]}}))
        return revision


def build():
    """Builds what is missing; its output is shown, because it takes minutes."""
    if subprocess.run([os.path.join(installation.ROOT, "tests", "gitops", "build.sh")]).returncode != 0:
        sys.exit("the controllers could not be built")
