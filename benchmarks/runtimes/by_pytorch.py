"""Tags of sentences by transformers' pipeline, float32: `python by_pytorch.py MODEL_FILE FOLDER SENTENCES ANSWERS`."""

import sys

import torch
import transformers
from sentences import answer, tagger_of_pieces


def main(_, folder, sentences, answers):
    torch.set_num_threads(1)
    tagger = transformers.pipeline("token-classification", model=folder, device="cpu", ignore_labels=[])
    version = f"{transformers.__version__}, torch {torch.__version__.split('+')[0]}"
    answer(version, tagger_of_pieces(tagger), sentences, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
