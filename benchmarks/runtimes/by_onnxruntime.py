"""Tags of sentences by ONNX Runtime and tokenizers: `python by_onnxruntime.py MODEL_FILE FOLDER SENTENCES ANSWERS`."""

import sys

import numpy as np
import onnxruntime
from sentences import answer, tagger_of_ids


def main(model, folder, sentences, answers):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def logits(ids):
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return session.run(["logits"], feeds)[0]

    answer(onnxruntime.__version__, tagger_of_ids(folder, logits), sentences, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
