"""The notes on the LoRAs of a request."""

from typing import assert_never

from bot.messages.catalogue import N_, text
from bot.outcomes import (
    DefaultMissing,
    FacesMixed,
    HelperAttached,
    HelperMissing,
    StackNote,
    StepsChanged,
    WeightBounded,
    WeightsScaled,
)


def format_stack_note(note: StackNote, locale: str) -> str:
    """Return how the LoRAs of a picture differ from the request, or what to consider, in a sentence."""
    match note:
        case WeightBounded():
            sentence = N_(
                "{lora} may have a strength from {least} to {most}, so it gets {weight} instead of {asked}."
            )
            strengths = {"least": note.least, "most": note.most, "weight": note.weight, "asked": note.asked}
            return text(sentence, locale, lora=note.lora, **strengths)
        case WeightsScaled():
            sentence = N_(
                "Together these LoRAs weigh {total}; more than {limit} spoils a picture, so I scaled them: "
                "{scaled}."
            )
            one = N_("{lora} {before} → {after}")
            scaled = [
                text(one, locale, lora=lora, before=before, after=after)
                for lora, before, after in note.scaled
            ]
            return text(sentence, locale, total=note.total, limit=note.limit, scaled=scaled)
        case HelperAttached():
            sentence = N_("{lora} always comes with its helper {helper}, here at {weight}.")
            return text(sentence, locale, lora=note.lora, helper=note.helper, weight=note.weight)
        case HelperMissing():
            sentence = N_(
                "{lora} should come with its helper {helper}, which is not on the shelf. The picture may "
                "look wrong; please tell the host."
            )
            return text(sentence, locale, lora=note.lora, helper=note.helper)
        case DefaultMissing():
            sentence = N_(
                "The default LoRA of this chat is not on the shelf, so the picture is drawn without it. Name "
                "another one, or tell the host."
            )
            return text(sentence, locale)
        case FacesMixed():
            sentence = N_(
                "{loras} are different faces; mixed, the picture may look like none of them. For one face, "
                "choose one of them and add styles."
            )
            return text(sentence, locale, loras=note.loras)
        case StepsChanged():
            sentence = N_("{lora} is made for {steps} steps, so the picture is drawn in {steps}.")
            return text(sentence, locale, lora=note.lora, steps=note.steps)
    assert_never(note)
