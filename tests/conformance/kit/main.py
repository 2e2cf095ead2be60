"""The command line of the kit, and one run from begin to end: rig, MetaDB, journey, report, and everything away again."""

import argparse
import getpass
import os
import shutil
import signal
import sys
import tempfile
from urllib.parse import unquote, urlsplit

from kit import report
from kit.clean import Cleaner
from kit.journey import QUICK, Journey, Pace, ask_person, pause_for_person
from kit.metadb import DATABASES, MetaDb, SqlError
from kit.rig import EngineRig, RigError, SCRATCH

ABOUT = """Holds two images of OMS against what oms-operator takes to be true of it, on a scratch MetaDB. See docs/conformance.md.

Starts OMS of the old and of the new image as the upgrade guide does, looks at it from outside, and writes what it saw to
conformance.json and to the terminal. Exit status 0 when the report is written, whatever it says; 2 when the run could not begin."""
# Of the scratch servers; quotes, blanks and signs are what sloppy programs trip over, and not what is looked at here.
SCRATCH_ACCOUNT = {"user": "oms", "password": "Scratch4Conformance", "root-password": "Scratch4Root"}


def parse(arguments):
    """The command line; no password is in it."""
    parser = argparse.ArgumentParser(description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True, help="the image that is upgraded: an archive, or a name that is pulled")
    parser.add_argument("--new", required=True, help="the image of V4.0.0-CE")
    parser.add_argument("--metadb", default="mariadb", help="seekdb or mariadb: a scratch server; or mysql://USER@HOST:PORT of yours")
    parser.add_argument("--runtime", default="docker", choices=("docker", "podman", "box"), help="box: this project's tests only")
    parser.add_argument("--password-file", help="file with the password of the MetaDB; it is asked for otherwise")
    parser.add_argument("--existing", action="store_true", help="the three databases may be there: what is in them may be lost, its projects run")
    parser.add_argument("--address", help="OMS_HOST_IP; otherwise the address by which this machine reaches others")
    parser.add_argument("--console-user", default="", help="account of the console, for the calls of the open API; its password is asked for")
    parser.add_argument("--console-password-file", help="file with its password")
    parser.add_argument("--scheme", default="http", choices=("http", "https"))
    parser.add_argument("--ha-path", help="path of the console that answers with ha.config, if you know one")
    parser.add_argument("--ask", action="store_true", help="asks you what the console shows")
    parser.add_argument("--pause", action="store_true", help="waits once OMS is up, so that you can make projects")
    parser.add_argument("--run-option", action="append", default=[], help="one more option for `docker run`, may be given often")
    parser.add_argument("--quick", action="store_true", help="short waits: for the stand-in")
    parser.add_argument("--out", default="conformance.json")
    given = parser.parse_args(arguments)
    # Before an hour has gone into it.
    if not os.access(os.path.dirname(os.path.abspath(given.out)), os.W_OK):
        parser.error(f"--out {given.out}: its folder cannot be written to")
    given.pace = QUICK if given.quick else Pace()
    given.ask = ask_person if given.ask else None
    given.pause = pause_for_person if given.pause else None
    given.console_password = read_secret(given.console_password_file, "console") if given.console_user else ""
    return given


def read_secret(path, what):
    """A password from a file or from a person; never from an argument or the environment."""
    if not path:
        return getpass.getpass(f"Password of the {what}: ")
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\n")


def start_metadb(rig, given, folder):
    """(engine, account) of the MetaDB: host, port, user, password."""
    if given.metadb in SCRATCH:
        if given.runtime == "box":
            host, port = rig.start_metadb(given.metadb, folder, None)
            return given.metadb, {"host": host, "port": port, "user": rig.ground.config["oms_meta_user"],
                                  "password": rig.ground.config["oms_meta_password"]}
        host, port = rig.start_metadb(given.metadb, folder, SCRATCH_ACCOUNT)
        return given.metadb, {"host": host, "port": port, "user": SCRATCH_ACCOUNT["user"], "password": SCRATCH_ACCOUNT["password"]}
    url = urlsplit(given.metadb)
    if url.scheme != "mysql" or not url.hostname or not url.username:
        raise SystemExit("--metadb is seekdb, mariadb or mysql://USER@HOST:PORT")
    if url.password:
        raise SystemExit("the password does not belong into --metadb, where every user of this machine reads it: leave it out")
    if given.runtime == "box":
        raise SystemExit("--runtime box has servers of its own only")
    return "mysql", {"host": url.hostname, "port": url.port or 3306, "user": unquote(url.username),
                     "password": read_secret(given.password_file, "MetaDB")}


def make_config(account, address):
    """config.yaml of one node."""
    return {"oms_meta_host": account["host"], "oms_meta_port": account["port"], "oms_meta_user": account["user"],
            "oms_meta_password": account["password"], "drc_rm_db": DATABASES["rm"], "drc_cm_db": DATABASES["cm"],
            "drc_cm_heartbeat_db": DATABASES["hb"], "cm_url": f"http://{address}:8088", "cm_location": 0,
            "cm_region": "cn-conformance", "cm_is_default": True, "cm_nodes": [address], "tsdb_enabled": False}


def run(given, prepare=None, on_stage=None, say=print):
    """One run; the cleaned report. `prepare(rig, db)` and `on_stage(journey, stage)` are for tests."""
    folder = tempfile.mkdtemp(prefix="oms-conformance-")
    rig = db = None
    made = []
    try:
        if given.runtime == "box":
            from kit.boxes import BoxRig
            rig = BoxRig()
        else:
            rig = EngineRig(given.runtime, given.address, given.run_option)
        images = {"old": rig.find_image(given.old), "new": rig.find_image(given.new)}
        engine, account = start_metadb(rig, given, folder)
        db = MetaDb(**account, folder=folder, prefix=rig.prefix)
        if prepare:
            prepare(rig, db)
        there = db.find_databases()
        if there and not given.existing:
            raise SystemExit(f"{', '.join(there.values())} are there already: give a MetaDB without them, or say --existing if they may be lost")
        made = [] if there else list(DATABASES.values())
        journey = Journey(rig, db, images, folder, make_config(account, rig.address), given, say)
        journey.on_stage = lambda stage: on_stage(journey, stage) if on_stage else None
        busy = journey.looks.open_ports()
        if busy:
            raise SystemExit(f"something listens on {busy} of this machine and would answer in OMS's place: stop it first")
        journey.run()
        for name, value in (("old", images["old"]["name"]), ("new", images["new"]["name"]), ("account", account["user"]),
                            ("now", float(db.one("SELECT UNIX_TIMESTAMP() AS t")))):
            journey.facts.put(f"run.{name}", value)
        names = [(rig.address, "<node>"), (str(account["host"]), "<metadb>")]
        cleaner = Cleaner([account["password"], given.console_password, SCRATCH_ACCOUNT["root-password"]], names)
        return cleaner.clean_all(report.make(journey, engine))
    finally:
        # OMS first: it would make its databases again. A scratch server takes them with it.
        if rig is not None:
            rig.close()
        for name in made if given.metadb not in SCRATCH else ():
            try:
                db.run(f"DROP DATABASE IF EXISTS `{name}`")
            except SqlError as error:
                say(f"{name} could not be dropped: {error}")
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.exists(folder):  # what OMS wrote belongs to root, and whoever runs this need not be it
            say(f"{folder} could not be removed wholly: sudo rm -r {folder}")


def main(arguments):
    """Exit status: 0 when the report is written, 2 when the run could not begin."""
    try:
        return work(parse(arguments))
    except (RigError, SqlError) as error:
        print(f"conform: {error}", file=sys.stderr)
    except SystemExit as end:
        if not isinstance(end.code, str):
            raise
        print(f"conform: {end.code}", file=sys.stderr)
    except KeyboardInterrupt:
        print("conform: interrupted; the containers are gone, nothing is written", file=sys.stderr)
    return 2


def work(given):
    """The run, its file and its table; 0."""
    # So that containers are taken away then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    found = run(given)
    report.write(found, given.out)
    print("\n" + report.table(found) + f"\n\n{given.out} is written. It holds no passwords; read it before you hand it on.")
    return 0

