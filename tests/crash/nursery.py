"""Imported by the fork server alone: all that a life needs, so that its process begins with it."""

import tests.crash.life  # noqa: F401
from tests.crash.points import wrapped

wrapped()
