"""What hosts have stated about each content that a LoRA has, or had: whose it is, who may use it, until when.

The database keeps it, because a name is not what consent is for: a file that is renamed, copied or downloaded
again has the restrictions of its content also after a restart, and a revocation concerns every content that a
name has had. A statement changes only when a host states something else: a file without a sidecar states
nothing. Of names that have left the shelf the newest statement on their content counts, so that a host can
open a LoRA again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from bot.commands.text import normalize
from bot.store.rows import StatedRow
from engine.shelf import LoraFile, Sidecar

NOTHING = Sidecar()


class Statements:
    """The newest statement on each content under each name; answers from memory.

    Args:
        rows: What the database has, oldest first.

    Attributes:
        unsaved: What the database does not have yet.
    """

    def __init__(self, rows: Iterable[StatedRow] = ()) -> None:
        self._of_content: defaultdict[str, dict[str, StatedRow]] = defaultdict(dict)  # sha256 → name → row
        self._of_name: defaultdict[str, dict[str, StatedRow]] = defaultdict(dict)  # name → sha256 → row
        self.unsaved: list[StatedRow] = []
        for row in rows:
            self._keep(row)

    def learn(self, files: Collection[LoraFile]) -> None:
        """Note what the files of the shelf state; call it whenever the shelf changes."""
        present = {normalize(file.name) for file in files}
        for file in files:
            name, rights = normalize(file.name), file.sidecar.rights
            of_content = self._of_content[file.sha256]
            before = of_content.get(name)
            states_nothing = file.sidecar_stamp is None and rights == NOTHING
            if before is not None and (states_nothing or before.sidecar == rights):
                self._keep(before)  # the newest of its name
                continue
            row = StatedRow(file.name, file.sha256, rights)
            rows = [row]
            if rights.says_who or (before is not None and before.sidecar.says_who):
                rows += [
                    replace(each, sidecar=rights)
                    for other, each in of_content.items()
                    if other not in present and each.sidecar != rights
                ]
            for each in reversed(rows):
                self._keep(each)
            self.unsaved += rows

    def of_content(self, sha256: str) -> Collection[StatedRow]:
        """Return what is stated about a content, by each name that it has or had."""
        return self._of_content[sha256].values() if sha256 in self._of_content else ()

    def last_of(self, name: str) -> StatedRow | None:
        """Return what is stated about the content that has this name, or had it last."""
        rows = self._of_name.get(normalize(name))
        return next(reversed(rows.values())) if rows else None

    def contents_of(self, name: str) -> Collection[str]:
        """Return the sha256 of every content that this name has or had."""
        return self._of_name.get(normalize(name), {}).keys()

    def owner_of(self, file: LoraFile) -> str:
        """Return whose the content of a file is; empty if nobody said so."""
        owners = (file.sidecar.owner, *(each.sidecar.owner for each in self.of_content(file.sha256)))
        return next(filter(None, owners), "")

    def all(self) -> tuple[StatedRow, ...]:
        """Return everything."""
        return tuple(row for rows in self._of_name.values() for row in rows.values())

    def _keep(self, row: StatedRow) -> None:
        name = normalize(row.name)
        self._of_content[row.sha256][name] = row
        of_name = self._of_name[name]
        of_name.pop(row.sha256, None)
        of_name[row.sha256] = row
