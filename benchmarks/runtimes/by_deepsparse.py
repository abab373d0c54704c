"""Tags of sentences by DeepSparse's pipeline: `python by_deepsparse.py MODEL_FILE FOLDER SENTENCES ANSWERS`."""

import importlib.metadata
import sys

from deepsparse import Pipeline
from sentences import answer, tagger_of_pieces


def main(_, folder, sentences, answers):
    pipeline = Pipeline.create(
        task="token_classification", model_path=folder, ignore_labels=[], sequence_length=128, num_cores=1
    )

    def tagger(text):
        return [piece.dict() for piece in pipeline(text).predictions[0]]

    answer(importlib.metadata.version("deepsparse"), tagger_of_pieces(tagger), sentences, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
