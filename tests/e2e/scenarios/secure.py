"""A console with certificates: HTTPS and nothing else, on a port that somebody changed."""

import os
import subprocess
import tempfile

from ctl import manifests
from registry import scenario
from scenarios.bad_days import API, succeed_and_return
from scenarios.refusing import refuse

PORT = 8443


def openssl(folder, *words):
    """One call of openssl, in a folder."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def read(folder, name):
    """A file as text."""
    with open(os.path.join(folder, name), encoding="ascii") as file:
        return file.read()


def make_certificates(lab, address):
    """Secrets in the namespace: what nginx shows (`oms-console-tls`), the authority that signed it (`oms-console-ca`), and one
    that did not (`oms-other-ca`)."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("authority", "other"):
            openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                    "-subj", f"/CN={name}")
        openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=oms")
        with open(os.path.join(folder, "names"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName=IP:{address}\n")
        openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", "server.pem")
        made = [manifests.secret("oms-console-tls", {"tls.crt": read(folder, "server.pem"), "tls.key": read(folder, "server.key")}, "kubernetes.io/tls"),
                manifests.secret("oms-console-ca", {"ca.crt": read(folder, "authority.pem")}),
                manifests.secret("oms-other-ca", {"ca.crt": read(folder, "other.pem")})]
    for item in made:
        item["metadata"]["namespace"] = lab.namespace
        lab.apply(item)


def console(authority="oms-console-ca", **changes):
    """spec.console."""
    return {"scheme": "Https", "port": PORT, "tls": {"ca": {"secretKeyRef": {"name": authority, "key": "ca.crt"}}},
            "credentialsSecretRef": {"name": "oms-console", "userKey": "username"}, **changes}


@scenario("console-https", reusable=False)
def console_https(lab):
    """HTTPS only, another port: the wrong authority, no authority and plain HTTP are refused by name; then there and back."""
    node = lab.get("nodes")["items"][0]
    address = next(entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP")
    make_certificates(lab, address)
    lab.install_oms(lab.engine, 4, "--fast", "--console-port", str(PORT), "--console-secret", "oms-console-tls")
    refuse(lab, "wrong-authority", ("ProjectsInSync", "its certificate is neither in spec.console.tls.ca nor signed by one that is"),
           console=console("oms-other-ca"))
    refuse(lab, "no-authority", ("ProjectsInSync", "no-such-ca"), console=console("no-such-ca"))
    refuse(lab, "plain-http", ("ProjectsInSync", "console.scheme"), console={
        "port": PORT, "credentialsSecretRef": {"name": "oms-console", "userKey": "username"}})
    # What switches HA on goes the same way.
    succeed_and_return(lab, "console-https", ha=API, console=console())
