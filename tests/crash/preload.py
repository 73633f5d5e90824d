"""The imports of the fork server: everything that a process under test needs; without a log."""

import logging

import structlog

import tests.crash.session  # noqa: F401
from tests.crash.points import wrapped

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
wrapped()
