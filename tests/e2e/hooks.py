"""Mutating webhooks on this machine, as policy engines and meshes bring them: every answer patches what is written.

Stands for tools that are not there. May touch: one port of this machine, one webhook configuration of the cluster.
"""

import base64
import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
from contextlib import contextmanager

NAME = "e2e-hook"
DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
MIRROR = "mirror.test/"


def send_through_mirror(item):
    """Images of a Deployment by the name of a mirror, as a policy that spares the public registry does."""
    containers = item["spec"]["template"]["spec"]["containers"]
    return [{"op": "replace", "path": f"/spec/template/spec/containers/{number}/image", "value": MIRROR + container["image"]}
            for number, container in enumerate(containers) if not container["image"].startswith(MIRROR)]


def put_proxy_before_pull(item):
    """One more container in the pod that pulls the new image; by its name it stands before `pull` in the pod's status."""
    if item["metadata"].get("labels", {}).get("oms.oceanbase.com/role") != "prepull":
        return []
    return [{"op": "add", "path": "/spec/containers/-", "value": {"name": "a-proxy", "image": "localhost/pause:1"}}]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one review with the server's patch."""

    def do_POST(self):
        """One AdmissionReview."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        answer = {"uid": request["uid"], "allowed": True}
        patch = self.server.make_patch(request["object"])
        if patch:
            answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


def serve(folder, host, make_patch):
    """An HTTPS server on a free port, with a certificate of its own; the server and the certificate."""
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=hook", "-addext", f"subjectAltName=IP:{host}"], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    server.make_patch = make_patch
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(certificate, "rb") as file:
        return server, base64.b64encode(file.read()).decode()


@contextmanager
def patching(lab, rule, make_patch):
    """While it lasts, what matches a rule in the namespace of OMS is written as `make_patch(object)` says."""
    host = lab.api.host.rpartition(":")[0].rpartition(".")[0] + ".254"
    with tempfile.TemporaryDirectory() as folder:
        server, authority = serve(folder, host, make_patch)
        url = f"https://{host}:{server.server_address[1]}/"
        lab.kubectl("apply", "-f", "-", stdin=json.dumps({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": NAME},
            "webhooks": [{"name": "hook.example.test", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                          "failurePolicy": "Fail", "rules": [rule], "clientConfig": {"url": url, "caBundle": authority},
                          "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}}]}))
        try:
            yield
        finally:
            lab.kubectl("delete", "mutatingwebhookconfiguration", NAME, "--ignore-not-found")
            server.shutdown()
            server.server_close()
