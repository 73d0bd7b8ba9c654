"""What the server of ``pushing`` loads once, before it forks a worker."""

from tests.faults import pushing  # noqa: F401  the forked worker finds it loaded
from tests.faults.rig import library

library()
