"""Silences the libraries' progress bars and warnings; this package raises or logs what matters."""

import diffusers
import transformers


def silence_libraries() -> None:
    """Let diffusers and transformers log errors only, and show no progress bars."""
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
