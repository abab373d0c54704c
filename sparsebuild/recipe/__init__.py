"""Recipes: SparseML's files, read into values."""

from sparsebuild.recipe.document import Document, Entry, Resolved
from sparsebuild.recipe.front_matter import NoRecipe
from sparsebuild.recipe.places import Places, places
from sparsebuild.recipe.reader import read
from sparsebuild.recipe.variables import BadArguments, resolve

__all__ = ["BadArguments", "Document", "Entry", "NoRecipe", "Places", "Resolved", "places", "read", "resolve"]
