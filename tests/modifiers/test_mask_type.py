"""What goes together: the kinds of masks, against a plain telling of SparseML's rules."""

from __future__ import annotations

import math
import random

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.mask_type import MaskType

KINDS = ["unstructured", "block4", "[1, 4]", "[2, 1]", "[4, 4]", "[-1, 1]", "[1, -1]", "2:4", "1:8", "tensorrt"]
SHAPE = (8, 16)


def entry(mask_type: str, final: float = 0.5, **fields: object) -> str:
    given = {"start_epoch": 0, "end_epoch": 2, "init_sparsity": 0.1, "update_frequency": 0.5, **fields}
    given |= {"final_sparsity": final, "params": "['re:.*dense.weight']", "mask_type": mask_type}
    return f"  - !MagnitudePruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def blocks_of(kind: str, rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """The places that go together, block by block, as SparseML's reshapes have them."""
    places = [(r, c) for r in range(rows) for c in range(columns)]
    if kind == "unstructured":
        return [[place] for place in places]
    if kind == "block4":
        return [[(r, c) for c in range(k, min(k + 4, columns))] for r in range(rows) for k in range(0, columns, 4)]
    a, b = (n if n > 0 else whole for n, whole in zip(eval_list(kind), (rows, columns), strict=True))
    if b > 1:
        return [places[i : i + a * b] for i in range(0, len(places), a * b)]
    return [[(r, c) for r in range(k, k + a)] for k in range(0, rows, a) for c in range(columns)]


def eval_list(text: str) -> list[int]:
    return [int(n) for n in text.strip("[]").split(",")]


def expected(scores: list[list[float]], kind: str, sparsity: float) -> list[list[int]]:
    """Mean score of each block, the round(s · blocks) lowest go; of N:M the M - N lowest of each group."""
    rows, columns = len(scores), len(scores[0])
    mask = [[1] * columns for _ in range(rows)]
    if ":" in kind or kind == "tensorrt":
        keep, size = (2, 4) if kind == "tensorrt" else map(int, kind.split(":"))
        for r in range(rows):
            for k in range(0, columns, size):
                for c in sorted(range(k, k + size), key=lambda c: scores[r][c])[: size - keep]:
                    mask[r][c] = 0
        return mask
    blocks = blocks_of(kind, rows, columns)
    means = [sum(scores[r][c] for r, c in block) / len(block) for block in blocks]
    for i in sorted(range(len(blocks)), key=means.__getitem__)[: round(sparsity * len(blocks))]:
        for r, c in blocks[i]:
            mask[r][c] = 0
    return mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.6, 1.0])
def test_masks_are_those_of_the_rules(kind: str, sparsity: float) -> None:
    mask_type = MaskType.of(kind)
    sparsity = mask_type.most if mask_type.group else sparsity
    draw = random.Random(1)
    scores = [[draw.random() for _ in range(SHAPE[1])] for _ in range(SHAPE[0])]
    found = mask_type.masks({"w": torch.tensor(scores)}, {"w": sparsity}, together=False)["w"]
    assert found.int().tolist() == expected(scores, kind, sparsity)


@pytest.mark.parametrize(("keep", "size"), [(64, 129), (2, 200)])
def test_groups_of_any_size_keep_as_many_as_they_say(keep: int, size: int) -> None:
    scores = torch.rand(3, 2 * size, generator=torch.Generator().manual_seed(1))
    kind = MaskType.of(f"{keep}:{size}")
    mask = kind.masks({"w": scores}, {"w": kind.most}, together=False)["w"].view(-1, size)
    assert mask.sum(1).tolist() == [keep] * 6
    assert torch.equal(mask, scores.view(-1, size) >= scores.view(-1, size).topk(keep).values[:, -1:])


def test_a_row_that_fours_do_not_divide_ends_in_a_smaller_block() -> None:
    scores = [[9.0, 9, 9, 9, 1, 1], [2, 2, 2, 2, 9, 9]]
    found = MaskType.of("block4").masks({"w": torch.tensor(scores)}, {"w": 0.5}, together=False)["w"]
    assert found.int().tolist() == expected(scores, "block4", 0.5) == [[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]


def test_of_a_convolution_inputs_are_grouped_and_the_mask_lies_where_the_weights_do() -> None:
    """SparseML gives back N:M masks of convolutions in another order of axes."""
    scores = torch.rand(3, 8, 2, 2, generator=torch.Generator().manual_seed(1))
    for kind in ("2:4", "block4"):
        mask = MaskType.of(kind).masks({"w": scores}, {"w": 0.5}, together=False)["w"]
        assert mask.shape == scores.shape
        rows = mask.permute(0, 2, 3, 1).reshape(-1, 4).sum(1)
        assert set(rows.tolist()) == ({2} if kind == "2:4" else {0, 4})


def test_one_ranking_over_several_parameters_counts_blocks() -> None:
    scores = {"a": torch.rand(4, 8) + 1, "b": torch.rand(4, 8)}
    masks = MaskType.of("[1, 4]").masks(scores, dict.fromkeys(scores, 0.5), together=True)
    assert masks["a"].all()
    assert not masks["b"].any()


@pytest.mark.parametrize("together", [True, False])
def test_groups_are_reached_gradually_and_only_ever_lose(together: bool) -> None:
    kind, draw = MaskType.of("2:4"), torch.Generator().manual_seed(3)
    scores = {n: torch.rand(8, 12, generator=draw) for n in "ab"}
    before = {n: torch.ones(8, 12, dtype=torch.bool) for n in scores}
    for sparsity in (0.0, 0.1, 0.25, 0.4, 0.5):
        scores = {n: s.masked_fill(~before[n], -math.inf) for n, s in scores.items()}
        masks = kind.masks(scores, dict.fromkeys(scores, sparsity), together=together)
        assert sum(int((~m).sum()) for m in masks.values()) == pytest.approx(192 * sparsity, abs=1)
        assert all(bool((masks[n] <= before[n]).all()) for n in masks)
        assert all(int((~m).reshape(-1, 4).sum(1).max()) <= 2 for m in masks.values())
        before = masks
        scores = {n: torch.rand(8, 12, generator=draw) for n in scores}
    assert all(bool((m.reshape(-1, 4).sum(1) == 2).all()) for m in before.values())


@pytest.mark.parametrize("kind", ["block4", "[2, 1]", "2:4", "tensorrt"])
def test_what_is_asked_for_is_there_at_the_end_and_promised(kind: str, training) -> None:
    begun = training(entry(kind)).run()
    assert set(begun.attached[0].mask_types().values()) == {kind}
    promised = {p.parameters: p.zeros for p in begun.attached[0].promises()}
    weights = dict(begun.model.named_parameters())
    for name, mask in begun.masks().items():
        zeros = int((mask == 0).sum())
        assert zeros == promised[name,] == mask.numel() // 2
        assert MaskType.of(kind).is_kept_by(weights[name].detach(), zeros)


def test_zeros_that_lie_elsewhere_are_found() -> None:
    weight = torch.tensor([[0.0, 0, 1, 1, 1, 1, 0, 0]])
    assert MaskType.of("unstructured").is_kept_by(weight, 4)
    assert MaskType.of("2:4").is_kept_by(weight, 4)
    assert not MaskType.of("1:4").is_kept_by(weight, 4)
    assert not MaskType.of("block4").is_kept_by(weight, 4)
    assert MaskType.of("[1, 2]").is_kept_by(weight, 4)
    assert not MaskType.of("[1, 2]").is_kept_by(weight, 5)


@pytest.mark.parametrize(
    ("mask_type", "final", "told"),
    [
        ("blocks", 0.5, "`mask_type` must be unstructured, block4, [rows, columns], 'N:M' or tensorrt, found blocks"),
        ("'4:4'", 0.5, "`mask_type` must be unstructured, block4, [rows, columns], 'N:M' or tensorrt, found 4:4"),
        ("[0, 4]", 0.5, "`mask_type` must be unstructured, block4, [rows, columns], 'N:M' or tensorrt, found [0, 4]"),
        ("'2:4'", 0.8, "`final_sparsity` must be 0.5 with `mask_type: 2:4`, found 0.8"),
    ],
)
def test_a_kind_that_is_none_and_a_sparsity_that_a_kind_cannot_have(mask_type, final, told, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(entry(mask_type, final))
    assert str(caught.value).startswith(f"error: {told}\n")


def test_a_sparsity_near_that_of_a_kind_means_it_exactly(specs) -> None:
    """SparseML takes what is within a hundredth; 1:3 is written 0.66 or 0.67."""
    (spec,) = specs(entry("'1:3'", 0.66, init_sparsity=0.67))
    assert (spec.init_sparsity, spec.levels[0].sparsity) == (1 - 1 / 3, 1 - 1 / 3)
    with pytest.raises(RecipeError, match=r"`final_sparsity` \(0.5\) must not be less than `init_sparsity` \(0.9\)"):
        specs(entry("'2:4'", 0.5, init_sparsity=0.9))


def test_a_parameter_that_does_not_divide_is_named(training) -> None:
    with pytest.raises(RecipeError) as caught:
        training(entry("[3, 1]"))
    assert str(caught.value) == (
        "error: MagnitudePruningModifier: `bert.encoder.layer.0.attention.output.dense.weight` (16 × 16) does not "
        "divide into [3, 1]\n\nhint: leave it out of `params`, or choose another `mask_type`"
    )
