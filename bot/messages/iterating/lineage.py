"""From which job another one continues, and how."""

from bot.messages.catalogue import N_, text
from bot.outcomes import Derivation, Lineage

SENTENCES: dict[Derivation, str] = {
    Derivation.AGAIN: N_("job {job_id} again, with another seed"),
    Derivation.SAME_SEED: N_("job {job_id} again, with the same seed"),
    Derivation.VARIED: N_("a variation of picture {number} of job {job_id}"),
    Derivation.LARGER: N_("picture {number} of job {job_id}, larger"),
    Derivation.EDITED: N_("the text of job {job_id}, changed"),
    Derivation.ADOPTED: N_("from the comparison {job_id}"),
    Derivation.FINAL: N_("from draft {number} of job {job_id}"),
}


def format_lineage(lineage: Lineage | None, locale: str) -> str:
    """Return from which job a job continues, as one fact of a line; empty if it continues from none."""
    if lineage is None:
        return ""
    number = 1 if lineage.index is None else lineage.index + 1
    return text(SENTENCES[lineage.derivation], locale, job_id=lineage.job_id, number=number)
