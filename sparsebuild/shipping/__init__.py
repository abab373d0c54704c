"""From what was promoted to what travels: the folder `hub/`, its card, its provenance, and the way to a Hub.

build/export/deployment/    model.onnx and what a runtime needs beside it: SparseML's set
build/export/hub/           the same file where the Hub's runtimes look, the PyTorch weights, the card, the lock
"""
