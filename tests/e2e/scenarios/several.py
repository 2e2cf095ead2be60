"""Other installations: MariaDB as the MetaDB, and OMS on two nodes."""

import checks
from registry import scenario
from upgrade import Upgrade


def there_and_back(lab, name, **changes):
    """Success and rollback on request."""
    before = checks.Photo(lab)
    with Upgrade(lab, name, **changes) as upgrade:
        upgrade.wait_end("Succeeded", seconds=420)
        checks.check_end(lab, upgrade, before, "succeeded")
        position = upgrade.ask("RollBack")
        upgrade.wait_end("RolledBack", seconds=420, after=position)
        checks.check_end(lab, upgrade, before, "restored")
        upgrade.delete()


@scenario("mariadb", engine="mariadb")
def mariadb(lab):
    """The MetaDB is MariaDB: there and back."""
    there_and_back(lab, "mariadb")


@scenario("mariadb-init-fails", engine="mariadb")
def mariadb_init_fails(lab):
    """The MetaDB is MariaDB: a failed init rolls back by itself."""
    from scenarios.failing import fail_and_return
    fail_and_return(lab, "mariadb-init-fails", ("init-fails-half-way",))


@scenario("two-nodes", nodes=2)
def two_nodes(lab):
    """OMS on two nodes: both are stopped, one is initialised, both run again; there and back."""
    there_and_back(lab, "two-nodes", targets=[{"name": "oms-node1"}, {"name": "oms-node2"}])


@scenario("two-nodes-one-listed", nodes=2)
def two_nodes_one_listed(lab):
    """OMS on two nodes, of which only one is a target: refused."""
    from scenarios.refusing import refuse
    refuse(lab, "one-of-two", ("AllNodesListed", "spec.targets", "not listed"), targets=[{"name": "oms-node1"}])
