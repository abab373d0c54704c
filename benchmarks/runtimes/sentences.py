"""What the Python runners share: sentences in, a tag for every word out. Runs on Python 3.8 and with old libraries.

A sentence is {"words": […], "text": the words with blanks between, "firsts": places of the words' first pieces}.
"""

import json
import time
from pathlib import Path


def answer(version, tagger, sentences, answers):
    """Tag all sentences, one at a time, and write the tags and the median time of one."""
    given = json.loads(Path(sentences).read_text())
    tagger(given[0])
    tags, seconds = [], []
    for sentence in given:
        start = time.perf_counter()
        tags.append(tagger(sentence))
        seconds.append(time.perf_counter() - start)
    milliseconds = 1000 * sorted(seconds)[len(seconds) // 2]
    Path(answers).write_text(json.dumps({"version": version, "tags": tags, "ms": milliseconds}))


def tagger_of_ids(folder, logits):
    """A tagger out of a function from ids (1, pieces) to logits (1, pieces, labels)."""
    import numpy as np
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    labels = json.loads(Path(folder, "config.json").read_text())["id2label"]

    def tagger(sentence):
        pieces = tokenizer.encode(sentence["words"], is_pretokenized=True)
        best = logits(np.array([pieces.ids], dtype=np.int64))[0].argmax(-1)
        return [labels[str(best[place])] for place in sentence["firsts"]]

    return tagger


def tagger_of_pieces(pipeline):
    """A tagger out of a pipeline that labels every piece of a text."""

    def tagger(sentence):
        labels = {piece["index"]: piece["entity"] for piece in pipeline(sentence["text"])}
        return [labels.get(place, "O") for place in sentence["firsts"]]

    return tagger
