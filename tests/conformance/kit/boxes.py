"""Where OMS runs on the project's own machine: the boxes of the stand-in's tests (namespaces and overlays, no daemon).

Needs root. May touch: what tests/standin/tests/box.py may, and .cache/standin/rootfs.
"""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TESTS, "standin", "tests")]

import box  # noqa: E402
import images  # noqa: E402

from kit.rig import RigError, Result  # noqa: E402

METADBS = {"seekdb": "seekdb_1.4.0", "mariadb": "mariadb_10.11"}


class BoxContainer:
    """One box with OMS's files."""

    def __init__(self, rig, container):
        self.rig, self.container = rig, container

    def exec(self, *command, seconds=60):
        """A command inside."""
        began = time.monotonic()
        process = self.container.exec(*command, wait=False)
        try:
            text = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return Result(None, process.communicate()[0], time.monotonic() - began)
        return Result(process.returncode, text, time.monotonic() - began)

    def alive(self):
        """True while its first process lives."""
        return self.container.alive()

    def stop(self):
        """SIGTERM and the exit status of the first process."""
        return self.container.stop()

    def log(self):
        """What its first process printed."""
        return self.container.log()

    def remove(self):
        """Takes it away, whatever it does."""
        self.container.kill()


class BoxRig:
    """Images are names of archives in .cache/images; the MetaDB is one of the project's own."""

    name = "box"

    def __init__(self):
        self.ground, self.files, self.started = None, {}, []
        self.address = "10.99.0.1"

    @property
    def prefix(self):
        """What puts a command of this machine into the network of the boxes."""
        return self.ground.inside()

    def find_image(self, given):
        """An archive of .cache/images, by its name without `.tar`."""
        name = os.path.basename(given).removesuffix(".tar")
        if not os.path.exists(os.path.join(images.IMAGES, name + ".tar.id")):
            raise RigError(f"there is no image {name} in .cache/images: tests/standin/standinctl build")
        self.files[name] = images.unpack(name)
        with open(os.path.join(images.IMAGES, name + ".tar.id"), encoding="ascii") as file:
            digest = file.read().strip()
        return {"name": name.replace("_", ":"), "digest": digest, "id": digest, "files": name}

    def start_metadb(self, engine, _folder, _account):
        """The MetaDB of the stand-in's tests, with their account; (host, port)."""
        files = dict(self.files)
        # The ground's observer has these files as well.
        files.setdefault("3.3.1-ce", next(iter(files.values())))
        self.ground = box.Ground(engine, images.unpack(METADBS[engine]), files)
        return self.address, self.ground.port

    def start(self, image, environment, _folder, config):
        """OMS in a new box; its mounts are the ground's."""
        given = {name: value for name, value in environment.items() if name not in ("OMS_HOST_IP", "IS_UPGRADE")}
        container = BoxContainer(self, self.ground.start(image["files"], upgrade="IS_UPGRADE" in environment,
                                                         environment=given, config=config))
        self.started.append(container)
        return container

    def close(self):
        """Ends everything."""
        if self.ground is not None:
            self.ground.close()
