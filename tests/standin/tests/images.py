"""Unpacks built image archives into root file systems for tests without a cluster.

May touch: .cache/standin/rootfs.
"""

import json
import os
import shutil
import subprocess
import tarfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
IMAGES = os.path.join(ROOT, ".cache", "images")
UNPACKED = os.path.join(ROOT, ".cache", "standin", "rootfs")


def unpack(name):
    """Folder with the files of .cache/images/NAME.tar, unpacked once per image id."""
    archive = os.path.join(IMAGES, name + ".tar")
    with open(archive + ".id", encoding="ascii") as file:
        wanted = file.read().strip()
    folder = os.path.join(UNPACKED, name)
    stamp = folder + ".id"
    if os.path.isdir(folder) and os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read().strip() == wanted:
                return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with tarfile.open(archive) as image:
        for layer in _layers(image):
            _unpack_layer(image.extractfile(layer), folder)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)
    return folder


def _layers(image):
    """Names of the layers' members, lowest first; the archive may be Docker's or OCI's."""
    def blob(digest):
        return "blobs/" + digest.replace(":", "/")
    if "manifest.json" in image.getnames():
        return json.load(image.extractfile("manifest.json"))[0]["Layers"]
    index = json.load(image.extractfile("index.json"))
    manifest = json.load(image.extractfile(blob(index["manifests"][0]["digest"])))
    return [blob(layer["digest"]) for layer in manifest["layers"]]


def _unpack_layer(stream, folder):
    with tarfile.open(fileobj=stream) as layer:
        names = [name for name in layer.getnames() if os.path.basename(name).startswith(".wh.")]
    for name in names:  # what this layer deletes of those below
        parent, base = os.path.split(os.path.join(folder, name))
        victim = parent if base == ".wh..wh..opq" else os.path.join(parent, base[len(".wh."):])
        shutil.rmtree(victim, ignore_errors=True) if os.path.isdir(victim) else os.path.lexists(victim) and os.remove(victim)
    stream.seek(0)
    subprocess.run(["tar", "-x", "--exclude", ".wh.*", "-C", folder], input=stream.read(), check=True)
