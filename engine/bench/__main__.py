"""``python -m engine.bench``: the benchmark in a process like the worker's."""

import logging
import sys

import structlog

from engine.worker.serve import prepare_libraries

if __name__ == "__main__":
    prepare_libraries()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    from engine.bench.command import main  # only now may torch be imported

    sys.exit(main())
