"""A paper as data: headings, sentences, tables, and questions that only the operator can answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `level` 1 begins a section, 2 a part of one."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; each row has as many cells as its head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What only the operator can answer; formats mark it and leave room for the answer."""

    text: str


Block = Heading | Text | Items | Table | Question


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper in one language.

    Attributes:
        language: Its code.
        title: Its name.
        about: What it is about, in one line.
        blocks: Its content.
    """

    language: str
    title: str
    about: str
    blocks: tuple[Block, ...]

    @property
    def questions(self) -> int:
        """How many questions are open."""
        return sum(isinstance(block, Question) for block in self.blocks)
