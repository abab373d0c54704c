"""One exported model in every runtime that shall open it as it is: `python benchmarks/runtimes PROJECT [NAME …]`.

Each runtime gets an environment of its own, made in `--work` from the package registry and pinned here, and answers all
sentences of the project's validation rows, one at a time, on one thread. Their tags are held against those of the
trained model. `--work DIR` keeps the environments, so that a second run makes none. Python 3.10 is looked for under
`SPARSEBUILD_PYTHON310`, for the runtimes that have no packages for a newer one.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
OURS = sys.executable
OLD = os.environ.get("SPARSEBUILD_PYTHON310", "python3.10")
# One thread; nothing is sent to whoever made a runtime; nothing is asked for elsewhere.
SETTINGS = {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "NM_DISABLE_ANALYTICS": "True", "HF_HUB_OFFLINE": "1"}
DTYPES = {"model_quantized.onnx": "q8", "model.onnx": "fp32", "model_fp16.onnx": "fp16"}


@dataclass(frozen=True)
class Runtime:
    name: str
    runner: str
    folder: str = "hub"
    python: str = OURS
    packages: tuple = ()  # with what they ask for
    alone: tuple = ()  # packages without what they ask for, beside our own torch
    bound: float = 0.999


RUNTIMES = {
    "onnxruntime-1.17": Runtime(
        "ONNX Runtime", "by_onnxruntime.py", python=OLD,
        packages=("onnxruntime==1.17.3", "numpy==1.26.4", "tokenizers==0.19.1"),
    ),
    "onnxruntime-1.19": Runtime(
        "ONNX Runtime", "by_onnxruntime.py", python=OLD,
        packages=("onnxruntime==1.19.2", "numpy==1.26.4", "tokenizers==0.20.3"),
    ),
    "onnxruntime-1.22": Runtime(
        "ONNX Runtime", "by_onnxruntime.py",
        packages=("onnxruntime==1.22.1", "numpy==2.3.5", "tokenizers==0.22.1"),
    ),
    "onnxruntime": Runtime("ONNX Runtime", "by_onnxruntime.py", folder="deployment"),
    "openvino": Runtime(
        "OpenVINO", "by_openvino.py", packages=("openvino==2026.4.0", "tokenizers==0.22.1"),
    ),
    "optimum": Runtime(
        "optimum-onnx", "by_optimum.py",
        alone=(
            "optimum==2.1.0", "optimum-onnx==0.1.0", "transformers==4.57.6", "tokenizers==0.22.2",
            "huggingface_hub==0.36.2", "requests==2.32.5", "urllib3==2.6.3", "idna==3.11", "charset-normalizer==3.4.4",
            "certifi==2026.10.19.post1",
        ),
    ),
    "transformers.js": Runtime(
        "transformers.js", "by_transformers_js.mjs", packages=("@huggingface/transformers@4.3.1",)
    ),
    "deepsparse": Runtime(
        "DeepSparse", "by_deepsparse.py", folder="deployment", python=OLD,
        packages=(
            "deepsparse==1.8.0", "transformers==4.39.3", "datasets==2.18.0", "accelerate==0.28.0", "numpy==1.26.4",
        ),
    ),
    # It computes in float32, without the rounding that the model was trained for and every other one does.
    "pytorch": Runtime("transformers", "by_pytorch.py", bound=0.99),
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *RUNTIMES], metavar="NAME", help=", ".join(RUNTIMES))
    parser.add_argument("--work", type=Path, help="where environments are made and kept; else in a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        expected = reference(given.project.resolve(), work)
        say("| runtime | version | folder | words | same label | entities alike | ms a sentence |")
        say("|---|---|---|---|---|---|---|")
        failed = [name for name in given.names or RUNTIMES if not row(name, given.project.resolve(), work, expected)]
    sys.exit(f"not as they should be: {', '.join(failed)}" if failed else 0)


def reference(project, work):
    """The validation sentences, written where runners read them, and the tags of the trained model."""
    import torch

    from sparsebuild.exporters import FLOATS
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.evaluation import first_piece_logits, torch_logits
    from sparsebuild.training.models import labels_of, open_float_model, open_model

    torch.set_num_threads(1)
    split = PreparedSplit.open(project / ".sparsebuild/prepare/validation")
    scheme = json.loads((project / "build/export/export.json").read_text())["scheme"]
    model = (open_float_model if scheme in FLOATS else open_model)(project / "build/train/model")
    labels = labels_of(model)
    # One sentence at a time, as runners read them: how a batch is padded moves a rounding here and there.
    logits = first_piece_logits(torch_logits(model), split, 1)
    tags = [[labels[k] for k in rows.argmax(-1)] if len(rows) else [] for rows in logits]
    (work / "sentences.json").write_text(
        json.dumps([_sentence(split, i, row) for i, row in enumerate(rows_of(project))])
    )
    return tags


def rows_of(project):
    """The validation rows as they were fetched: JSON lines with a list of `tokens`."""
    for path in sorted((project / ".sparsebuild/fetch/data.validation").glob("*.jsonl")):
        yield from (json.loads(line) for line in path.read_text().splitlines())


def _sentence(split, i, row):
    words = split.words(i).tolist()
    firsts = [place for place, word in enumerate(words) if word >= 0 and word not in words[:place]]
    return {"words": row["tokens"], "text": " ".join(row["tokens"]), "firsts": firsts}


def row(name, project, work, expected):
    """Print what became of one runtime; whether it is as it should be."""
    runtime = RUNTIMES[name]
    # DeepSparse writes into the file that it opens, so each has a copy.
    folder = Path(tempfile.mkdtemp(dir=work)) / runtime.folder
    shutil.copytree(project / "build/export" / runtime.folder, folder)
    try:
        command = [*environment(name, work), *arguments(runtime, folder)]
        answers = work / f"{name}.json"
        command = [*command, work / "sentences.json", answers]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **SETTINGS}, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
        found = json.loads(answers.read_text())
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        say(f"| {runtime.name} | {name} | {runtime.folder} | does not load: {error} | | | |")
        return False
    finally:
        shutil.rmtree(folder.parent)
    both = zip(expected, found["tags"], strict=True)
    pairs = [pair for ours, theirs in both for pair in zip(ours, theirs, strict=True)]
    same, alike = sum(a == b for a, b in pairs) / len(pairs), entities_alike(expected, found["tags"])
    told = [runtime.name, found["version"], runtime.folder, f"{len(pairs):,}", f"{same:.2%}", alike]
    say(f"| {' | '.join(told)} | {found['ms']:.1f} |")
    return same >= runtime.bound


def entities_alike(expected, found):
    """How many of the trained model's entities a runtime finds, exactly, and how many it finds in all."""
    from sparsebuild.tasks.entities import spans

    ours, theirs = ({(i, *s) for i, tags in enumerate(all_) for s in spans(tags)} for all_ in (expected, found))
    return f"{len(ours & theirs)} of {len(ours)}" + (f", {len(theirs - ours)} more" if theirs - ours else "")


def environment(name, work):
    """The start of the command that runs a runtime's runner, in an environment that is made if need be."""
    runtime, place = RUNTIMES[name], work / name
    if runtime.runner.endswith(".mjs"):
        place.mkdir(exist_ok=True)
        if not (place / "node_modules").exists():
            # Without its install script onnxruntime-node lacks CUDA alone, which would come from elsewhere.
            run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *runtime.packages], place)
        return ["node", shutil.copy(HERE / runtime.runner, place)]
    if not (runtime.packages or runtime.alone):
        return [OURS, HERE / runtime.runner]
    python = place / "bin/python"
    if not (place / "made").exists():
        run([runtime.python, "-m", "venv", "--clear", place], work)
        if runtime.packages:
            run([python, "-m", "pip", "install", "--quiet", *runtime.packages], work)
        if runtime.alone:
            run([python, "-m", "pip", "install", "--quiet", "--no-deps", *runtime.alone], work)
            (next(place.glob("lib/python*/site-packages")) / "zz.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (place / "made").touch()
    return [python, HERE / runtime.runner]


def arguments(runtime, folder):
    """The model file, or for transformers.js its kind, and the folder."""
    file = next(folder.glob("**/*.onnx"))
    return [DTYPES[file.name] if runtime.runner.endswith(".mjs") else file, folder]


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(command, where):
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["?"])[-1])


if __name__ == "__main__":
    main()
