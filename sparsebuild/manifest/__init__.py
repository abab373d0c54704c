"""The manifest: `sparse.toml`, what the user wrote, as values. Importing it does not import pydantic."""

from sparsebuild.manifest.frame import problem_at
from sparsebuild.manifest.jsonform import defaults, from_json, settings, to_json
from sparsebuild.manifest.layers import Written, setting
from sparsebuild.manifest.model import (
    Bench,
    Data,
    Export,
    Gate,
    Limit,
    Manifest,
    Model,
    Project,
    Recipe,
    Sensitivity,
    Sources,
    Teacher,
    TeacherTrain,
    Train,
    Variant,
)
from sparsebuild.manifest.read import parse, read, read_text
from sparsebuild.manifest.schema import schema
from sparsebuild.manifest.sources import split_source, written_in_full

__all__ = [
    "Bench",
    "Data",
    "Export",
    "Gate",
    "Limit",
    "Manifest",
    "Model",
    "Project",
    "Recipe",
    "Sensitivity",
    "Sources",
    "Teacher",
    "TeacherTrain",
    "Train",
    "Variant",
    "Written",
    "defaults",
    "from_json",
    "parse",
    "problem_at",
    "read",
    "read_text",
    "schema",
    "setting",
    "settings",
    "split_source",
    "to_json",
    "written_in_full",
]
