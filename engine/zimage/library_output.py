"""Keeps the libraries' progress bars and remarks off stderr; what matters is raised or logged by us."""

import diffusers
import transformers


def silence_libraries() -> None:
    """Silence diffusers and transformers below their errors, and every progress bar of loading."""
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
