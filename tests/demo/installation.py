"""Sets up what the demo shows: cluster, images, MetaDB, OMS stand-in, operator."""

import glob
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, ".cache", "bin")
IMAGES = os.path.join(ROOT, ".cache", "images")
LOG = os.path.join(ROOT, ".cache", "demo.log")
CLUSTER = os.path.join(BIN, "testcluster")
GROUND_IMAGES = ["pause_1", "oms-standin_3.3.1-ce", "oms-standin_4.0.0-ce"]
OPERATOR_IMAGES = ["oms-operator_dev", "oms-operator-tools_dev"]


class Demo:
    """One cluster with one installation of OMS and one of the operator."""

    namespace, operator_namespace, deployment, upgrade = "oms", "oms-operator", "oms", "to-4-0-0"

    def __init__(self, cluster):
        self.cluster = cluster
        self.kubeconfig = subprocess.run([CLUSTER, "kubeconfig", "--name", cluster], check=True, capture_output=True,
                                         text=True).stdout.strip()
        self.kubectl_base = [os.path.join(BIN, "kubectl"), "--kubeconfig", self.kubeconfig, "-n", self.namespace]

    def kubectl(self, *arguments, stdin=None):
        """Output of one kubectl call; ends the demo with its message when it fails."""
        return call([*self.kubectl_base, *arguments], stdin)

    def get(self, *arguments):
        """One object or list."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, manifest):
        """kubectl apply of one object."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def standin(self, *arguments, allowed=(0,)):
        """Output of the stand-in's tool."""
        return call([os.path.join(ROOT, "tests", "standin", "standinctl"), "--kubeconfig", self.kubeconfig, *arguments],
                    allowed=allowed)

    def state(self):
        """HA, projects, components, schema as the stand-in's observer sees them."""
        return json.loads(self.standin("state", self.namespace))

    def image_version(self):
        """The tag that runs."""
        containers = self.get("deployment", self.deployment)["spec"]["template"]["spec"]["containers"]
        return containers[0]["image"].rsplit(":", 1)[1]


def call(command, stdin=None, allowed=(0,)):
    """Output of a program; ends the demo with its message when it fails."""
    result = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if result.returncode not in allowed:
        sys.exit(f"{' '.join(command)}\n{result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def run_logged(*command):
    """Runs a noisy program; its output goes to the log, and its end is shown when it fails."""
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        result = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        with open(LOG, encoding="utf-8", errors="replace") as log:
            tail = "".join(log.readlines()[-30:])
        raise SystemExit(f"{tail}\n{' '.join(command)} failed; all output is in {LOG}")


def run_told(*command):
    """Runs a long program that tells its own steps: they are shown as they come, and kept in the log."""
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   errors="replace", stderr=subprocess.STDOUT)
        for line in process.stdout:
            log.write(line)
            log.flush()
            print(line, end="", flush=True)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} failed; all output is in {LOG}")


class Step:
    """Prints what is done and how long it took; on a terminal also, while it goes on, the last line of the log (`ticks`)."""

    def __init__(self, text, ticks=True):
        self.text, self.ticks = text, ticks
        self.over = threading.Event()
        self.ticker = threading.Thread(target=self.show_progress, daemon=True)

    def __enter__(self):
        self.began = time.monotonic()
        if sys.stdout.isatty() and self.ticks:
            self.ticker.start()

    def __exit__(self, kind, *_):
        self.over.set()
        if self.ticker.is_alive():
            self.ticker.join()
        start = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{start}{time.monotonic() - self.began:6.1f} s  {self.text}{'' if kind is None else ' FAILED'}", flush=True)

    def show_progress(self):
        """Rewrites one line of the terminal each second."""
        while not self.over.is_set():
            line = f"{time.monotonic() - self.began:6.0f} s  {self.text} … {read_last_line(LOG)}"
            print(f"\r\033[K{line[:shutil.get_terminal_size().columns - 1]}", end="", flush=True)
            self.over.wait(1)


def read_last_line(path):
    """The last line of a text file that says something, without what would move the cursor."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 2000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = ("".join(letter for letter in line if letter.isprintable()).strip() for line in reversed(lines))
    return next((line for line in said if line), "")


def print_what_comes(plan, about):
    """What will be seen, before anything takes its time."""
    print(f"{about}, on a Kubernetes that runs on this machine alone (cluster {plan.cluster}).\n"
          "OMS is a stand-in that does what OceanBase's documents say; Kubernetes and the MetaDB are real.\n"
          f"What the programs print on the way is kept in {os.path.relpath(LOG, ROOT)}.")
    if not os.path.exists(CLUSTER):
        print("First this machine is set up: Kubernetes and the operator are compiled, once, about ten minutes on two cores.")
    print(flush=True)


def prepare(plan):
    """Everything up to a running OMS with HA on, and an operator that waits for work."""
    set_up_machine("--demo")
    with Step("images of operator and stand-in built (about five minutes the first time), cluster started"):
        run_together([*list_ground(plan), ("scripts/build-images.sh", "--profile", "dev")])
    demo = load_images(plan, [*GROUND_IMAGES, *OPERATOR_IMAGES])
    with ThreadPoolExecutor() as pool:
        operator = pool.submit(install_operator, demo)
        install_oms(demo, plan)
        with Step("OMS restarted once: the way back rests on that, so preflight wants to have seen it"):
            restart_container(demo)
        with Step("operator installed with Helm meanwhile"):
            operator.result()
    return demo


def prepare_ground(plan):
    """A cluster with a MetaDB and a running OMS, and nothing of the operator."""
    set_up_machine("--ground")
    with Step("images of the stand-in built, cluster started"):
        run_together(list_ground(plan))
    demo = load_images(plan, GROUND_IMAGES)
    install_oms(demo, plan)
    return demo


def set_up_machine(option):
    """What a fresh machine lacks, with the images; the option goes to the set-up."""
    os.makedirs(os.path.join(ROOT, ".cache"), exist_ok=True)
    open(LOG, "w", encoding="utf-8").close()
    with Step("machine set up", ticks=False):
        run_told("scripts/setup.sh", option)


def list_ground(plan):
    """Commands that can run side by side: the cluster, the stand-in's images."""
    return [(CLUSTER, "up", "--name", plan.cluster), ("tests/standin/standinctl", "build")]


def load_images(plan, names):
    """The cluster with its images, without what a former run left."""
    demo = Demo(plan.cluster)
    with Step("images loaded into the cluster"):
        run_logged(CLUSTER, "load", "--name", plan.cluster, *find_archives([f"{plan.engine}_*", *names]))
    with Step("what a former run left is removed"):
        remove_upgrade(demo)
        run_logged("tests/standin/standinctl", "--kubeconfig", demo.kubeconfig, "uninstall", demo.namespace)
        # The operator's Role lives there; OMS's own labels come with OMS.
        call([*demo.kubectl_base, "apply", "-f", "-"],
             json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": demo.namespace}}))
    return demo


def install_oms(demo, plan):
    """The MetaDB and OMS, until projects run."""
    with Step(f"MetaDB ({plan.engine}) and OMS 3.3.1-ce installed, HA on, projects run"):
        run_logged("tests/standin/standinctl", "--kubeconfig", demo.kubeconfig, "install", "-n", demo.namespace,
                   "--engine", plan.engine, "--size-mb", str(plan.size_mb))


def run_together(commands):
    """Runs programs side by side."""
    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(run_logged, *command) for command in commands]:
            result.result()


def find_archives(wanted):
    """Image archives by their names."""
    found = [path for name in wanted for path in glob.glob(os.path.join(IMAGES, name + ".tar"))]
    if len(found) < len(wanted):
        sys.exit(f"images are missing in {IMAGES}: of {', '.join(wanted)} only {len(found)} are there")
    return found


def remove_upgrade(demo):
    """Deletes the upgrade of a former run; that rolls nothing back, for its namespace goes too."""
    known = subprocess.run([*demo.kubectl_base, "get", "omsup", demo.upgrade], capture_output=True).returncode == 0
    if known:
        demo.kubectl("annotate", "omsup", demo.upgrade, "--overwrite",
                     "oms.oceanbase.com/release=i-accept-the-current-state")
        demo.kubectl("delete", "omsup", demo.upgrade, "--timeout=120s")


def restart_container(demo):
    """Ends the container's first process, as a reboot of the node would, and waits until OMS replicates again."""
    pod = demo.get("pods", "-l", "app=oms")["items"][0]["metadata"]["name"]
    demo.kubectl("exec", pod, "--", "kill", "1")
    demo.kubectl("wait", f"pod/{pod}", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=120s")
    demo.kubectl("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=180s")
    deadline = time.monotonic() + 120
    while not replicates(demo.state()):
        if time.monotonic() > deadline:
            sys.exit("replication did not come back after the restart of OMS")
        time.sleep(1)


def replicates(state):
    """Every live link of a project is close to now."""
    return all(row["status"] == "RUNNING" and state["now"] - row["checkpoint_ts"] < 10
               for row in state["connectors"] if row["status"] not in ("STOPPED", "SUSPEND"))


def install_operator(demo, chart="charts/oms-operator", tag="dev", options=()):
    """helm upgrade --install, as a user would; its namespace enforces the restricted standard."""
    base = [os.path.join(BIN, "kubectl"), "--kubeconfig", demo.kubeconfig]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": demo.operator_namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    call([*base, "apply", "-f", "-"], json.dumps(namespace))
    run_logged(os.path.join(BIN, "helm"), "--kubeconfig", demo.kubeconfig, "upgrade", "--install", "oms-operator",
               chart, "--namespace", demo.operator_namespace, "--set", "watchNamespaces={oms}",
               "--set", "image.repository=localhost/oms-operator", "--set", f"image.tag={tag}",
               "--set", "toolsImage.repository=localhost/oms-operator-tools", "--set", f"toolsImage.tag={tag}",
               "--set-string", f"podAnnotations.build={read_build(tag)}", "--wait", "--timeout", "3m", "--hide-notes", *options)


def read_build(tag):
    """What tells two builds of the operator's image apart, though their tag is the same: a new one is rolled out."""
    with open(os.path.join(IMAGES, f"oms-operator_{tag}.tar.id"), encoding="utf-8") as file:
        return file.read().strip().split(":")[-1][:16]


def remove():
    """Removes the cluster."""
    if not os.path.exists(CLUSTER):
        print("There is no demo.")
        return 0
    name = os.environ.get("CLUSTER", "demo")
    status = subprocess.run([CLUSTER, "down", "--name", name]).returncode
    if status == 0:
        print(f"The cluster {name} is removed, with everything in it.")
    return status


def print_how_to_look_around(demo, plan=None):
    """What to look at, and what to try next; each line can be copied."""
    named = "" if demo.cluster == "demo" else f"CLUSTER={demo.cluster} "
    operator = f"""
  kubectl -n {demo.namespace} describe omsup {demo.upgrade}
  kubectl -n {demo.operator_namespace} logs deployment/oms-operator""" if plan else ""
    print(f"""
The cluster stays up. Look around, in this folder:
  export KUBECONFIG={demo.kubeconfig} PATH={BIN}:$PATH{operator}
  kubectl -n {demo.namespace} get events --sort-by=.metadata.creationTimestamp
  tests/standin/standinctl state {demo.namespace}
  tests/standin/standinctl journal {demo.namespace}
  {named}make demo-down           # removes the cluster
""")
    if not plan:
        print(AFTER_THE_GROUND.format(cluster=demo.cluster))
        return
    # What was just seen need not be tried next.
    lines = [line for line in AFTER_THE_DEMO.splitlines()
             if not (plan.then_roll_back and "THEN=" in line or plan.about and "FAIL=" in line)]
    print("\n".join(lines))


AFTER_THE_DEMO = """Try next:
  make demo THEN=rollback  # a rollback on request, after success
  make demo FAIL=init      # docker_init.sh fails half way, and the upgrade rolls back; also: hang, console, crash, kill, pull
  make demo-oms            # the same OMS without the operator: install it, plan, fix, run, as on your own cluster
What your own OMS needs first: docs/prepare.md"""

# The names of the images are those that scripts/build-images.sh gives them.
AFTER_THE_GROUND = """Try next, to install the operator here, where no registry is needed, and to make a plan:
  scripts/build-images.sh --profile dev
  testcluster load --name {cluster} .cache/images/oms-operator_dev.tar .cache/images/oms-operator-tools_dev.tar
  helm install oms-operator charts/oms-operator --namespace oms-operator --create-namespace --set 'watchNamespaces={{oms}}' \\
    --set image.repository=localhost/oms-operator --set image.tag=dev \\
    --set toolsImage.repository=localhost/oms-operator-tools --set toolsImage.tag=dev
  sed 's/^spec:/spec:\\n  action: Plan/' tests/demo/upgrade.yaml | kubectl apply -f -
  kubectl wait omsup -n oms to-4-0-0 --for=condition=Planned --timeout=15m
  kubectl get omsup -n oms -o wide
Then: docs/plan.md. The Secret oms-console, the claim oms-backup and the new image (localhost/oms-standin:4.0.0-ce) are here already."""
