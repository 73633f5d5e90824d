"""Names of picture files, written down a second time, so that a test notices when they change."""


def file_name_of(sha256: str) -> str:
    """The name of a picture file with this content, within the pictures folder."""
    return f"{sha256[:2]}/{sha256}.png"
