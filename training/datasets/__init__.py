"""Published datasets, read as published.

faces = read_dataset(Path("fer2013.csv.xz"), Path("fer2013new.csv"))
for sentence in faces.reading.sentences():
    print(sentence)
training, left_out = without_duplicates(faces.split("training"), [faces.split("validation")])
"""

from training.datasets.faces import NO_LABEL, FaceDataset
from training.datasets.fer2013 import FACE_SIDE_PX, read_fer2013
from training.datasets.folders import emotion_of, read_folders
from training.datasets.reading import read_dataset
from training.datasets.report import ReadingReport, Skipped
from training.datasets.roles import ROLES, TEST, TRAINING, VALIDATION, role_of
from training.datasets.splits import (
    NEAR_TWIN_CORRELATION,
    SHARES,
    SPLIT_SEED,
    near_duplicates,
    stratified_split,
    without_duplicates,
)
from training.datasets.votes import VOTE_LABELS, majority, plurality, soft_labels
from training.errors import DatasetError

__all__ = [
    "FACE_SIDE_PX",
    "NEAR_TWIN_CORRELATION",
    "NO_LABEL",
    "ROLES",
    "SHARES",
    "SPLIT_SEED",
    "TEST",
    "TRAINING",
    "VALIDATION",
    "VOTE_LABELS",
    "DatasetError",
    "FaceDataset",
    "ReadingReport",
    "Skipped",
    "emotion_of",
    "majority",
    "near_duplicates",
    "plurality",
    "read_dataset",
    "read_fer2013",
    "read_folders",
    "role_of",
    "soft_labels",
    "stratified_split",
    "without_duplicates",
]
