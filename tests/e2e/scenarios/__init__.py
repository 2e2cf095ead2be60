"""All scenarios, in the order in which they run."""

from scenarios import there_and_back, conforming, failing, unconfirmed, aborting, bad_days, parameters, cleaning, owners  # noqa: F401
from scenarios import hops, secure, obstacles, pausing, strangers, restored, losing, rewriting, platforms, credentials, deleting, refusing, leaking, killing, several, rights, reading, importing, handover  # noqa: F401
