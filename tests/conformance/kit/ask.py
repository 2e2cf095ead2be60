"""Asks HTTP and ports from where OMS's node is; a program of its own because that may be another network namespace.

Reads one JSON object from standard input (credentials are in no argument), writes one. Touches nothing.
"""

import base64
import json
import socket
import ssl
import sys
import urllib.error
import urllib.request

LONGEST = 8000  # bytes of an answer that are looked at


def ask(given):
    """{"status": 200, "body": "..."}; status 0 with an error where nobody answered."""
    request = urllib.request.Request(given["url"], method=given.get("method", "GET"))
    if given.get("user"):
        pair = f"{given['user']}:{given['password']}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
    # The certificate is not what is looked at, and it is the node's own.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=5) as answer:
            return {"status": answer.status, "body": answer.read(LONGEST).decode("utf-8", "replace")}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read(LONGEST).decode("utf-8", "replace")}
    except (OSError, ValueError) as error:
        return {"status": 0, "body": "", "error": f"{type(error).__name__}: {error}"}


def find_open(host, ports):
    """Those of the ports on which somebody listens."""
    found = []
    for port in ports:
        with socket.socket() as one:
            one.settimeout(2)
            if one.connect_ex((host, port)) == 0:
                found.append(port)
    return found


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    json.dump({"open": find_open(wanted["host"], wanted["ports"])} if "ports" in wanted else ask(wanted), sys.stdout)
