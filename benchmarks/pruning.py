"""What an event of pruning costs: new masks over 23 million weights, and one recomputation of OBSPruningModifier.

    python benchmarks/pruning.py [--quick] [--only PART]... [--threads N]... [--times N]

Parts: masks (each modifier's event on the Linears of thirteen layers as wide as MiniLM's, beside one `kthvalue` over as
many scores), obs (the block Fisher matrix of 1,024 gradients for one, three and six layers, beside it the same by one
Woodbury update for each gradient, and what the rest of a recomputation takes on six).

CPU seconds of the process, and seconds; of masks the least of several. Where others work on the machine, the first is
what the second would be for one thread on an idle one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from measure import row, say, table
from torch import Tensor, nn

from sparsebuild import modifiers, recipe
from sparsebuild.modifiers.base import Attached, Moment, Run
from sparsebuild.numerics.block_fisher import BlockFisher
from sparsebuild.training.determinism import configure, cpu_kind

RAMP = "start_epoch: 0, end_epoch: 1, init_sparsity: 0.1, final_sparsity: {final}, update_frequency: 0.05"
EVENTS: Mapping[str, str] = {
    "GMPruningModifier, each parameter": "GMPruningModifier {{{ramp}, params: __ALL_PRUNABLE__}}",
    "GlobalMagnitudePruningModifier": "GlobalMagnitudePruningModifier {{{ramp}, params: __ALL_PRUNABLE__}}",
    "GlobalFisherPruningModifier": "GlobalFisherPruningModifier"
    " {{start_epoch: 0, end_epoch: 1, final_sparsity: 0.8, update_steps: 1}}",
    "MovementPruningModifier": "MovementPruningModifier {{{ramp}, params: __ALL_PRUNABLE__}}",
    "GMPruningModifier, block4": "GMPruningModifier {{{ramp}, params: __ALL_PRUNABLE__, mask_type: block4}}",
    "GMPruningModifier, 2:4": "GMPruningModifier {{{ramp}, params: __ALL_PRUNABLE__, mask_type: '2:4'}}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    mask_layers: int
    obs_layers: Sequence[int]
    gradients: int  # of one recomputation
    measured: int  # of them, where each takes long
    width: int = 384  # MiniLM's; its inner layers are four times as wide


FULL = Plan(mask_layers=13, obs_layers=(1, 3, 6), gradients=1024, measured=16)
QUICK = Plan(mask_layers=1, obs_layers=(1,), gradients=64, measured=2, width=48)


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one run, or the least of several."""

    cpu_s: float
    wall_s: float

    def __str__(self) -> str:
        return f"{self.cpu_s:.2f} s"


def main(arguments: Sequence[str]) -> None:
    """Print a table for each part that is asked for."""
    asked = _arguments(arguments)
    plan = QUICK if asked.quick else FULL
    say(f"{cpu_kind()}; torch {torch.__version__}; the least of {asked.times}")
    for threads in asked.threads:
        configure(threads, "highest")
        say(f"\n{threads} thread{'s' if threads > 1 else ''}")
        for part in asked.only:
            PARTS[part](plan, asked.times)


def masks(plan: Plan, times: int) -> None:
    """An event of each modifier, late in its ramp, when most weights have gone already."""
    size = sum(p.numel() for p in Encoder(plan.mask_layers, plan.width).parameters())
    table(f"An event over {size:,} weights", ["", "CPU", "seconds", "ratio to one kthvalue"])
    base = least([_ranked(torch.rand(size)) for _ in range(times)])
    row(["one `kthvalue` over as many scores", str(base), f"{base.wall_s:.2f} s", ""])
    for title, text in EVENTS.items():
        cost = event(Encoder(plan.mask_layers, plan.width), text, times)
        row([title, str(cost), f"{cost.wall_s:.2f} s", f"{cost.cpu_s / base.cpu_s:.2f} ×"])


def obs(plan: Plan, _: int) -> None:
    """One event of OBSPruningModifier with one recomputation, on a random model of MiniLM's shape, part by part."""
    table(
        f"The block Fisher matrix of {plan.gradients:,} gradients and its inverse, blocks of 50",
        ["weights", "CPU", "seconds", "CPU for a million weights", f"one by one ({plan.measured} measured)"],
    )
    for layers in plan.obs_layers:
        weight = torch.randn(layers, 12 * plan.width, plan.width)
        gradient = 1e-4 * torch.randn_like(weight)
        cost = spent(lambda w=weight, g=gradient: _summed(w, g, plan.gradients))
        slow = _one_by_one(gradient, plan.measured).cpu_s / plan.measured * plan.gradients
        per_million = cost.cpu_s / weight.numel() * 1e6
        row([f"{weight.numel():,}", str(cost), f"{cost.wall_s:.1f} s", f"{per_million:.2f} s", f"{slow:.0f} s"])
    _recomputation(plan, cost)


def _recomputation(plan: Plan, fisher: Spent) -> None:
    run = _trainable(plan.obs_layers[-1], plan.width)
    text = "OBSPruningModifier {{{ramp}, params: ['re:bert.encoder.*(query|key|value|dense).weight'], num_grads: 1}}"
    attached: Any = _attached(text, run)
    names, weights = list(attached.held.weights), list(attached.held.weights.values())
    taken = spent(lambda: list(_taken(run, weights, plan.measured)))
    times = plan.gradients / plan.measured
    inverses = attached._inverses(names, Moment(step=0, steps_per_epoch=20, epochs=2), 1)
    rest = spent(lambda: attached._remove(inverses, dict.fromkeys(names, 0.5)))
    size = sum(w.numel() for w in weights)
    table(f"One recomputation, {size:,} weights, {plan.gradients:,} gradients, block 50", ["", "CPU", "seconds"])
    told = f"gradients, of 16 sentences of 32 pieces each ({plan.measured} measured)"
    row([told, f"{times * taken.cpu_s:.0f} s", f"{times * taken.wall_s:.0f} s"])
    row(["their matrix and its inverse", f"{fisher.cpu_s:.0f} s", f"{fisher.wall_s:.0f} s"])
    row(["scores, masks, and what the weights become", f"{rest.cpu_s:.1f} s", f"{rest.wall_s:.1f} s"])


PARTS: Mapping[str, Callable[[Plan, int], None]] = {"masks": masks, "obs": obs}


# ---- what is measured


class Encoder(nn.Module):
    """The Linears of so many layers, under the names that recipes know."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        sizes = {**dict.fromkeys(("query", "key", "value", "output"), (width, width)), "up": (width, 4 * width)}
        sizes["down"] = (4 * width, width)
        made = {n: [nn.Linear(*size, bias=False) for _ in range(layers)] for n, size in sizes.items()}
        self.bert = nn.ModuleDict({"encoder": nn.ModuleDict({n: nn.ModuleList(m) for n, m in made.items()})})


def event(encoder: nn.Module, text: str, times: int) -> Spent:
    """The least of the last events of a ramp of twenty, each with what it does after the optimizer's step."""
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.0, weight_decay=0.0, fused=True)
    for parameter in encoder.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    attached = _attached(text, _run(encoder, optimizer))
    costs = [spent(lambda step=step: _moments(attached, step)) for step in range(20)]
    return least(costs[-1 - times : -1])


def _moments(attached: Attached, step: int) -> None:
    moment = Moment(step=step, steps_per_epoch=20, epochs=2)
    attached.before_step(moment)
    attached.before_optimizer(moment)
    attached.after_optimizer(moment)


def _attached(text: str, run: Run) -> Attached:
    final = 0.5 if "2:4" in text else 0.8
    entry = "modifiers:\n  - !" + text.format(ramp=RAMP.format(final=final)) + "\n"
    (spec,) = modifiers.specs(recipe.resolve(recipe.read(entry, "recipe.yaml")))
    return spec.attach(replace(run, specs=(spec,)))


def _run(model: nn.Module, optimizer: Any, gradients: Any = None) -> Run:
    shape = {"steps_per_epoch": 20, "epochs": 2}
    return Run(
        model=model, optimizer=optimizer, has_teacher=False, log=lambda _: None, gradients=gradients, specs=(), **shape
    )


def _ranked(scores: Tensor) -> Spent:
    return spent(lambda: scores.kthvalue(int(0.8 * scores.numel())))


def _summed(weight: Tensor, gradient: Tensor, count: int) -> None:
    found = BlockFisher(weight, block=50, damp=1e-7, count=count)
    for _ in range(count):
        found.add(gradient)
    found.inverse()


def _one_by_one(gradient: Tensor, count: int) -> Spent:
    """F⁻¹ ← F⁻¹ - (F⁻¹ g)(F⁻¹ g)ᵀ / (m + gᵀ F⁻¹ g)."""
    rows = torch.nn.functional.pad(gradient.flatten(), (0, -gradient.numel() % 50)).view(-1, 50, 1)
    inverse = (torch.eye(50) / 1e-7).repeat(len(rows), 1, 1)

    def updates() -> None:
        for _ in range(count):
            moved = torch.bmm(inverse, rows)
            moved /= (count + rows.transpose(1, 2) @ moved).sqrt()
            inverse.baddbmm_(moved, moved.transpose(1, 2), alpha=-1)

    return spent(updates)


def _trainable(layers: int, width: int) -> Run:
    from transformers import BertConfig, BertForTokenClassification

    sizes = {"hidden_size": width, "intermediate_size": 4 * width}
    sizes |= {"num_attention_heads": 12, "num_hidden_layers": layers}
    model = BertForTokenClassification(BertConfig(vocab_size=30_522, num_labels=13, **sizes)).train()

    def gradients(weights: Sequence[Tensor], *, key: int, count: int, size: int | None) -> Any:
        draw = torch.Generator().manual_seed(key)
        for _ in range(count):
            ids, labels = (torch.randint(0, n, (16, 32), generator=draw) for n in (30_522, 13))
            yield torch.autograd.grad(model(input_ids=ids, labels=labels).loss, list(weights))

    return _run(model, None, gradients)


def _taken(run: Run, weights: Sequence[Tensor], count: int) -> Any:
    assert run.gradients is not None
    for _ in run.gradients(weights, key=0, count=count, size=None):
        yield None


# ---- how


def spent(act: Callable[[], object]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def least(runs: Sequence[Spent]) -> Spent:
    """The least of several runs, each figure by itself."""
    return Spent(min(s.cpu_s for s in runs), min(s.wall_s for s in runs))


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a slice that takes seconds")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="a part; all, if none is named")
    parser.add_argument("--threads", action="append", type=int, help="1, then 2, if none is named")
    parser.add_argument("--times", type=int, default=5, help="of how many runs the least is told")
    asked = parser.parse_args(arguments)
    asked.only = asked.only or list(PARTS)
    asked.threads = asked.threads or [1, 2]
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
