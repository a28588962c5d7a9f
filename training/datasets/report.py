"""Report what was read of a dataset, what was skipped, and why."""

from __future__ import annotations

from dataclasses import dataclass, field


class SkippedError(Exception):
    """A row or file cannot be used, for a reason that groups them, and what was found there."""

    def __init__(self, reason: str, found: str) -> None:
        super().__init__(found)
        self.reason = reason


@dataclass(frozen=True)
class Skipped:
    """Number of rows or files skipped for one reason, and the first, as expected and found."""

    count: int
    first: str


@dataclass
class ReadingReport:
    """Rows or files (`unit`) that became a face, skipped ones by reason, and general notes.

    `oblong` counts pictures that were taken for faces, and do not look like cut-out ones.
    """

    unit: str = "row"
    read: int = 0
    skipped: dict[str, Skipped] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    oblong: int = 0

    def skip(self, reason: str, where: str) -> None:
        """Count a skipped row or file by its reason; `where` is kept for the first."""
        known = self.skipped.get(reason, Skipped(0, where))
        self.skipped[reason] = Skipped(known.count + 1, known.first)

    def note(self, sentence: str) -> None:
        """Add a sentence about the dataset as a whole, once."""
        if sentence not in self.notes:
            self.notes += (sentence,)

    @property
    def skipped_count(self) -> int:
        """Number of skipped rows or files."""
        return sum(skipped.count for skipped in self.skipped.values())

    def sentences(self) -> list[str]:
        """Return the report as sentences."""
        lines = [f"{counted(self.read, self.unit)} read, {self.skipped_count:,} left out."]
        for reason, skipped in self.skipped.items():
            were = "was" if skipped.count == 1 else "were"
            lines.append(
                f"{counted(skipped.count, self.unit)} {were} left out: {reason}. "
                f"The first is {skipped.first}."
            )
        if 2 * self.oblong > self.read:
            lines.append(
                f"{counted(self.oblong, self.unit)} of {self.read:,} are far from square, and only "
                "the middle of each was used: if they are photographs of people, add --find-faces, "
                "which cuts the faces out."
            )
        return lines + list(self.notes)


def counted(count: int, unit: str) -> str:
    """Write `1 face`, `2,000 faces`."""
    return f"{count:,} {unit}{'' if count == 1 else 's'}"
