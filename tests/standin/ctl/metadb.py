"""The MetaDB of a sample installation: seekdb or MariaDB, from the images that tests/cluster builds, and its accounts."""

import os

from ctl import manifests
from ctl.kube import wait_for

# image, port, where the data lies
ENGINES = {"seekdb": ("localhost/seekdb:1.4.0", 2881, "/var/lib/seekdb"),
           "mariadb": ("localhost/mariadb:10.11", 3306, "/var/lib/mysql")}
NAME = "metadb"
ROOT_PASSWORD = "root's \"own\" # % ß"

_SEEKDB = """ulimit -c 0
TELEMETRY_ENABLED=false exec seekdb --nodaemon --port 2881 --base-dir /data --log-level ERROR \
 --parameter memory_budget=1G --parameter log_disk_size=2G --parameter datafile_maxsize=10G \
 --variable time_zone=+00:00
"""
