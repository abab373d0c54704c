"""Where steps run: one variant a file."""

__all__ = ["EXECUTORS"]

EXECUTORS = {
    "inline": "sparsebuild.executors.inline:Inline",
    "worker": "sparsebuild.executors.worker:Worker",
}
