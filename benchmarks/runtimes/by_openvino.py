"""Tags of sentences by OpenVINO and tokenizers: `python by_openvino.py MODEL_FILE FOLDER SENTENCES ANSWERS`."""

import sys

import numpy as np
import openvino
from sentences import answer, tagger_of_ids


def main(model, folder, sentences, answers):
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)

    def logits(ids):
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return compiled(feeds)["logits"]

    answer(openvino.__version__.split("-")[0], tagger_of_ids(folder, logits), sentences, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
