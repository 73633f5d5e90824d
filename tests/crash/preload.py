"""Imported by the fork server alone: all that a life needs, so that its process begins with it; no log."""

import logging

import structlog

import tests.crash.life  # noqa: F401
from tests.crash.points import wrapped

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
wrapped()
