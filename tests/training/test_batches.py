"""training/batches.py"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.training.batches import Corpus, batch_order, by_length, count_drawn, drawn, steps_per_epoch


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=300), size=st.integers(1, 9), epoch=st.integers(0, 5))
def test_every_sentence_is_in_one_batch(lengths, size, epoch):
    order = batch_order(lengths, size, 42, epoch)
    assert sorted(i for batch in order for i in batch) == list(range(len(lengths)))
    assert all(len(batch) <= size for batch in order)
    assert len(order) == steps_per_epoch(len(lengths), size, 1)


def test_the_order_is_a_function_of_seed_and_epoch():
    lengths = list(range(1, 200))
    assert batch_order(lengths, 8, 1, 0) == batch_order(lengths, 8, 1, 0)
    assert batch_order(lengths, 8, 1, 0) != batch_order(lengths, 8, 1, 1)
    assert batch_order(lengths, 8, 1, 0) != batch_order(lengths, 8, 2, 0)


def test_batches_hold_sentences_of_similar_length():
    lengths = [1 + i % 50 for i in range(512)]
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batch_order(lengths, 16, 3, 0)]
    assert max(spread) < 10


def test_an_epoch_draws_from_the_pool_without_replacement_and_anew():
    first, second = (drawn(10, 30, 1.5, 7, epoch) for epoch in (0, 1))
    assert first[:10] == list(range(10))
    assert len(first) == len(set(first)) == 25
    assert set(first[10:]) <= set(range(10, 40))
    assert first != second


@pytest.mark.parametrize(("ratio", "pool", "count"), [(0.0, 30, 10), (9.0, 30, 40), (1.0, 0, 10)])
def test_a_pool_gives_no_more_than_it_has(ratio, pool, count):
    assert len(drawn(10, pool, ratio, 0, 0)) == count_drawn(10, pool, ratio) == count


def test_a_batch_is_padded_on_the_right(split):
    batch = Corpus(splits=(split,)).batch([0, 1, 2])
    longest = max(len(split.pieces(i)) for i in range(3))
    assert batch.input_ids.shape == (3, longest)
    assert batch.attention_mask.sum(1).tolist() == [len(split.pieces(i)) for i in range(3)]
    assert torch.equal(batch.labels == -100, ~batch.words)
    assert bool((batch.input_ids[batch.attention_mask == 0] == 0).all())


def test_evaluation_reads_every_sentence_once(split):
    assert sorted(i for batch in by_length(split, 7) for i in batch) == list(range(len(split)))
