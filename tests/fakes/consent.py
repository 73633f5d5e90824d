"""A shelf of LoRAs with stated owners, strengths and helpers, for conversations on every platform."""

from pathlib import Path

from engine.shelf import Helper, LoraFile, LoraKind, Shelf, Sidecar


def shelf_owned_by(owner: str) -> Shelf:
    """Return ``face`` of this owner (``platform:user_id``) alone, with a style and a helper."""
    stated = {
        "face": Sidecar(
            kind=LoraKind.FACE, depicts_person=True, owner=owner, helpers=(Helper("patch", 0.5),)
        ),
        "style": Sidecar(most_weight=1.5),
        "patch": Sidecar(kind=LoraKind.HELPER),
    }
    return Shelf(
        {name: LoraFile(name, Path(name), name[0] * 64, 1, 8, sidecar=each) for name, each in stated.items()}
    )


RECEIPT_PARTS = (  # of "--lora face:1.5 --lora style:2" on a shelf of ``shelf_owned_by``
    "face 1 + style 1 + patch 0.5",
    "style may have a strength from -2 to 1.5, so it gets 1.5 instead of 2.",
    "face always comes with its helper patch, here at 0.5.",
    "I scaled them: face 1.5 → 1, style 1.5 → 1.",
)
