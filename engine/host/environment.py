"""The environment variables of a worker. It downloads nothing, so it needs neither tokens nor proxies."""

from collections.abc import Mapping

from engine.config import TRITON_DIR, EngineConfig

_SECRETS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "CREDENTIAL")


def with_kernels_dir(environment: dict[str, str], config: EngineConfig) -> dict[str, str]:
    """Return the environment with a folder for Triton's kernels.

    Its default is the home folder, which a container loses; each start would build the kernels again.
    """
    return {TRITON_DIR: str(config.kernels_dir.absolute())} | environment


def worker_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without tokens, passwords and proxies."""
    return {
        name: value
        for name, value in ours.items()
        if not name.upper().endswith("_PROXY") and not any(secret in name.upper() for secret in _SECRETS)
    }
