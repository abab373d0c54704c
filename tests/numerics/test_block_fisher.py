"""Second order in blocks, against dense inverses in float64."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.numerics.block_fisher import BlockFisher, four_obs_scores, four_obs_update, obs_scores, obs_update

DAMP, COUNT = 1e-7, 37  # more than are summed at once, no multiple of that, and fewer than a large block has places
EPSILON = torch.finfo(torch.float32).eps


def gradients(shape: tuple[int, ...], scale: float = 1e-2) -> torch.Tensor:
    return torch.randn(COUNT, *shape, generator=torch.Generator().manual_seed(1)) * scale


def weight_of(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def inverse_of(weight: torch.Tensor, block: int, scale: float = 1e-2) -> torch.Tensor:
    fisher = BlockFisher(weight, block=block, damp=DAMP, count=COUNT)
    for gradient in gradients(tuple(weight.shape), scale):
        fisher.add(gradient)
    return fisher.inverse()


def dense_blocks(weight: torch.Tensor, block: int, scale: float = 1e-2) -> torch.Tensor:
    """damp · I + Σ g gᵀ / m of all weights, cut to its blocks; float64, filled up with zeros."""
    filled = -(-weight.numel() // block) * block
    rows = torch.zeros(COUNT, filled, dtype=torch.float64)
    rows[:, : weight.numel()] = gradients(tuple(weight.shape), scale).flatten(1).double()
    whole = DAMP * torch.eye(filled, dtype=torch.float64) + rows.T @ rows / COUNT
    return torch.stack([whole[i : i + block, i : i + block] for i in range(0, filled, block)])


@pytest.mark.parametrize("block", [1, 4, 7, 50, 64])
@pytest.mark.parametrize("scale", [1e-5, 1e-2])
def test_the_inverse_is_that_of_the_dense_matrix(block: int, scale: float) -> None:
    weight = weight_of((9, 11))
    found, wanted = inverse_of(weight, block, scale).double(), dense_blocks(weight, block, scale).inverse()
    assert found.shape == (-(-99 // block), block, block)
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5


def test_the_inverse_is_what_woodbury_makes_of_one_gradient_after_another() -> None:
    """F⁻¹ ← F⁻¹ - (F⁻¹ g)(F⁻¹ g)ᵀ / (m + gᵀ F⁻¹ g), from 1/damp · I, as SparseML has it."""
    weight = weight_of((4, 6))
    found = torch.eye(24, dtype=torch.float64) / DAMP
    for g in gradients((24,)).double():
        column = found @ g
        found -= torch.outer(column, column) / (COUNT + g @ column)
    assert float((inverse_of(weight, 24)[0].double() - found).norm() / found.norm()) < 1e-5


def test_a_block_that_rounding_has_spoiled_is_still_inverted() -> None:
    """Gradients so large, and so alike, that damp is lost beside them in float32."""
    weight = weight_of((4, 4))
    fisher = BlockFisher(weight, block=16, damp=DAMP, count=COUNT)
    for gradient in gradients((4, 4), 1e3):
        fisher.add(gradient[:1].expand(4, 4))
    found = fisher.inverse()
    assert bool(found.isfinite().all())
    assert float(found.diagonal(dim1=1, dim2=2).min()) > 0


def test_scores_and_update_of_single_weights() -> None:
    weight, block = weight_of((5, 6)), 7
    inverse = inverse_of(weight, block)
    whole = torch.block_diag(*dense_blocks(weight, block).inverse())[:30, :30]
    flat, diagonal = weight.flatten().double(), whole.diagonal()
    scores = flat**2 / (2 * diagonal + EPSILON)
    assert obs_scores(weight, inverse).flatten().tolist() == pytest.approx(scores.tolist(), rel=1e-4)
    gone = torch.zeros(30, dtype=torch.bool)
    gone[scores.argsort()[:9]] = True
    wanted = flat - whole @ (flat * gone / (diagonal + EPSILON))
    wanted[gone] = 0.0
    found = obs_update(weight, inverse, gone.view(5, 6))
    assert found.flatten().tolist() == pytest.approx(wanted.tolist(), rel=1e-3, abs=1e-3)
    assert not found.flatten()[gone].any()


def test_one_weight_that_goes_is_made_up_for_as_well_as_can_be() -> None:
    """Optimal brain surgeon: of all ways to set one weight to zero, the loss's quadratic model loses least."""
    weight = weight_of((1, 5))
    matrix, inverse = dense_blocks(weight, 5)[0], inverse_of(weight, 5)
    gone = torch.tensor([[False, False, True, False, False]])

    def lost(to: torch.Tensor) -> float:
        step = (to - weight).flatten().double()
        return float(0.5 * step @ matrix @ step)

    best = obs_update(weight, inverse, gone)
    assert lost(best) == pytest.approx(float(obs_scores(weight, inverse)[0, 2]), rel=1e-3)
    for seed in range(20):
        other = best + 0.1 * torch.randn(1, 5, generator=torch.Generator().manual_seed(seed)) * ~gone
        assert lost(other) >= lost(best)


@pytest.mark.parametrize("block", [4, 8, 24])
def test_scores_and_update_of_fours(block: int) -> None:
    weight = weight_of((6, 8))
    inverse = inverse_of(weight, block)
    whole = torch.block_diag(*dense_blocks(weight, block).inverse())[:48, :48]
    flat, share, scores = weight.flatten().double(), torch.zeros(48, dtype=torch.float64), []
    for k in range(0, 48, 4):
        solved = torch.linalg.solve(whole[k : k + 4, k : k + 4], flat[k : k + 4])
        share[k : k + 4] = solved
        scores += [float(0.5 * flat[k : k + 4] @ solved)] * 4
    assert four_obs_scores(weight, inverse).flatten().tolist() == pytest.approx(scores, rel=1e-3)
    gone = torch.tensor(scores) <= sorted(scores)[19]
    wanted = flat - whole @ (share * gone)
    wanted[gone] = 0.0
    found = four_obs_update(weight, inverse, gone.view(6, 8))
    assert found.flatten().tolist() == pytest.approx(wanted.tolist(), rel=1e-3, abs=1e-3)
