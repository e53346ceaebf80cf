"""Grids: counted, walked, read at any place, drawn from and sampled without being laid out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations, islice, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.grid import (
    Combination,
    Dimension,
    Draw,
    Grid,
    GridPool,
    ListPool,
    TooManyWeightsError,
    choose,
)
from batchgen.grid.shuffle import Shuffle, place_in_spread, spread

PINNED_SMALL = [(0, 3), (9, 8), (8, 6), (8, 0)]
PINNED_LARGE = [(946, 163, 0), (569, 670, 0), (881, 591, 1), (837, 959, 0)]

# An exclusion: the number of a dimension → the values that it names there.
Box = dict[int, set[int]]


def make_grid(sizes: Sequence[int], boxes: Sequence[Box] = ()) -> Grid:
    dimensions = [
        Dimension.of(
            sum(1 << n for n, box in enumerate(boxes) if d not in box or value in box[d])
            for value in range(size)
        )
        for d, size in enumerate(sizes)
    ]
    return Grid(dimensions, exclusions=len(boxes))


def expand(sizes: Sequence[int], boxes: Sequence[Box]) -> list[Combination]:
    return [
        combination
        for combination in product(*map(range, sizes))
        if not any(all(combination[d] in named for d, named in box.items()) for box in boxes)
    ]


@st.composite
def grids(draw: st.DrawFn) -> tuple[list[int], list[Box]]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=0, max_size=4))
    box = st.fixed_dictionaries(
        {},
        optional={d: st.sets(st.integers(0, size - 1), min_size=1) for d, size in enumerate(sizes)},
    )
    return sizes, draw(st.lists(box.filter(bool), max_size=4)) if sizes else []


@given(grids())
def test_counting_equals_expansion(grid: tuple[list[int], list[Box]]) -> None:
    sizes, boxes = grid
    expected = expand(sizes, boxes)

    assert make_grid(sizes, boxes).count == len(expected)


@given(grids())
def test_walking_yields_every_combination_in_order(grid: tuple[list[int], list[Box]]) -> None:
    sizes, boxes = grid

    assert list(make_grid(sizes, boxes)) == expand(sizes, boxes)


@given(grids())
def test_each_rank_has_one_combination_and_each_combination_one_rank(
    grid: tuple[list[int], list[Box]],
) -> None:
    sizes, boxes = grid
    found = make_grid(sizes, boxes)

    assert sorted(map(found.at, range(found.count))) == expand(sizes, boxes)


@given(grids())
def test_a_grid_knows_what_is_in_it(grid: tuple[list[int], list[Box]]) -> None:
    sizes, boxes = grid
    found = make_grid(sizes, boxes)
    allowed = set(expand(sizes, boxes))

    assert {c for c in product(*map(range, sizes)) if c in found} == allowed


@given(grids(), st.data())
def test_a_restricted_grid_has_the_combinations_with_these_values(
    grid: tuple[list[int], list[Box]], data: st.DataObject
) -> None:
    sizes, boxes = grid
    if not sizes:
        return
    depth = data.draw(st.integers(0, len(sizes) - 1))
    keep = data.draw(st.sets(st.integers(0, sizes[depth] - 1)))
    expected = [c for c in expand(sizes, boxes) if c[depth] in keep]

    restricted = make_grid(sizes, boxes).restricted({depth: keep})

    assert restricted.count == len(expected)
    assert list(restricted) == expected


def test_within_yields_what_stands_beside_a_first_value() -> None:
    grid = make_grid([2, 2, 2], [{0: {1}, 2: {0}}])

    assert list(grid.within(0)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(grid.within(1)) == [(0, 1), (1, 1)]


def test_a_grid_without_axes_has_one_combination() -> None:
    assert list(Grid([])) == [()]
    assert Grid([]).at(0) == ()


def test_a_rank_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(IndexError, match="rank 6 of 6"):
        make_grid([2, 3]).at(6)


def test_a_grid_larger_than_any_memory_is_counted() -> None:
    grid = make_grid([1000] * 8, [{0: {1}, 7: {2}}])

    assert grid.count == 1000**8 - 1000**6
    assert list(islice(grid, 2)) == [(0,) * 8, (0,) * 7 + (1,)]
    assert len(grid.at(10**23)) == 8


def test_a_thousand_exclusions_are_counted_by_arithmetic() -> None:
    grid = make_grid([1000, 4], [{0: {n}, 1: {n % 4}} for n in range(1000)])

    assert grid.count == 3000


# Drawing


def drawn(grid: Grid, *, seed: int = 7, **weights: Sequence[str]) -> Draw:
    return Draw(
        grid,
        weights={int(d[1:]): [Decimal(w) for w in given] for d, given in weights.items()},
        seed=seed,
    )


@given(grids(), st.integers(0, 3))
def test_a_draw_has_every_combination_once(grid: tuple[list[int], list[Box]], seed: int) -> None:
    sizes, boxes = grid

    assert sorted(drawn(make_grid(sizes, boxes), seed=seed)) == expand(sizes, boxes)


def test_a_weighted_draw_has_every_combination_once() -> None:
    grid = make_grid([3, 4, 2], [{0: {1}, 2: {0}}])

    found = list(drawn(grid, d0=["1000", "1", "0.001"], d1=["1", "1", "2", "2"]))

    assert sorted(found) == sorted(grid)


def test_drawing_more_keeps_the_earlier_ones() -> None:
    draw = drawn(make_grid([40, 50, 3]), d2=["5", "3", "1"])

    assert list(islice(draw, 1000)) == list(islice(draw, 3000))[:1000]


def test_another_seed_draws_other_combinations() -> None:
    grid = make_grid([100, 100])

    first, second = (set(islice(drawn(grid, seed=seed), 100)) for seed in (1, 2))

    assert len(first & second) < 20


def test_a_draw_is_the_same_on_every_python() -> None:
    small = drawn(make_grid([10, 10]), seed=7)
    large = drawn(make_grid([1000, 1000, 3]), seed=7, d2=["5", "3", "1"])

    assert list(islice(small, 4)) == PINNED_SMALL
    assert list(islice(large, 4)) == PINNED_LARGE


def test_weights_are_respected() -> None:
    grid = make_grid([1000, 4, 2])

    found = list(islice(drawn(grid, d1=["5", "3", "1", "1"], d2=["3", "1"]), 2000))

    counts = Counter(combination[1] for combination in found)
    # 2,000 of 8,000 without replacement draw the heavy classes down by a few per cent.
    assert counts[0] / 2000 == pytest.approx(0.48, abs=0.04)
    assert counts[1] / 2000 == pytest.approx(0.31, abs=0.04)
    assert Counter(c[2] for c in found)[0] / 2000 == pytest.approx(0.72, abs=0.04)


def test_every_value_has_the_same_chance_where_there_are_no_weights() -> None:
    firsts = Counter(next(iter(drawn(make_grid([5]), seed=seed)))[0] for seed in range(2000))

    assert all(count == pytest.approx(400, abs=80) for count in firsts.values())


def test_pairs_of_values_are_drawn_evenly_from_a_large_grid() -> None:
    pairs = Counter((c[0] % 4, c[1] % 4) for c in islice(drawn(make_grid([1000, 1000])), 16_000))

    assert all(count == pytest.approx(1000, abs=130) for count in pairs.values())


def test_a_draw_of_nearly_everything_ends_however_skewed_the_weights_are() -> None:
    grid = make_grid([50, 50])
    weights = ["1000000000", *["1"] * 49]

    assert len(set(drawn(grid, d0=weights, d1=weights))) == 2500


def test_more_classes_of_weights_than_can_be_drawn_from_are_refused() -> None:
    weights = [str(n) for n in range(1, 201)]

    with pytest.raises(TooManyWeightsError, match="40,000 different products"):
        drawn(make_grid([200, 200]), d0=weights, d1=weights)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 4095, 4096, 4097, 5000, 10_007])
def test_a_shuffle_has_every_number_once(size: int) -> None:
    shuffle = Shuffle(size, key="x")

    assert sorted(shuffle[place] for place in range(size)) == list(range(size))


@given(st.integers(1, 3000))
def test_a_spread_has_every_number_once_and_can_be_reversed(size: int) -> None:
    numbers = [spread(size, place=place) for place in range(size)]

    assert sorted(numbers) == list(range(size))
    assert all(place_in_spread(size, number=n) == place for place, n in enumerate(numbers))


@pytest.mark.parametrize("taken", [2, 5, 10, 25, 100])
def test_a_spread_is_even_wherever_it_stops(taken: int) -> None:
    numbers = sorted(spread(1250, place=place) for place in range(taken))
    gaps = [after - before for before, after in pairwise(numbers)]

    assert max(gaps) <= 3 * 1250 / taken


# Sampling


def seen(chosen: Sequence[Combination]) -> set[tuple[int, int]]:
    return {pair for combination in chosen for pair in enumerate(combination)}


@given(grids(), st.integers(1, 40))
@settings(deadline=None)
def test_a_sample_has_so_many_combinations_and_each_once(
    grid: tuple[list[int], list[Box]], n: int
) -> None:
    sizes, boxes = grid
    allowed = expand(sizes, boxes)

    [chosen] = choose([GridPool(make_grid(sizes, boxes))], n).parts

    assert len(chosen) == len(set(chosen)) == min(n, len(allowed))
    assert set(chosen) <= set(allowed)
    assert chosen == sorted(chosen)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(0, 20))
def test_as_many_as_the_longest_axis_show_every_value(sizes: list[int], more: int) -> None:
    sample = choose([GridPool(make_grid(sizes))], max(sizes) + more)

    assert seen(sample.parts[0]) == {(d, v) for d, size in enumerate(sizes) for v in range(size)}
    assert not sample.unseen


@pytest.mark.parametrize(
    ("sizes", "boxes"),
    [
        pytest.param([2, 2], [{0: {1}, 1: {1}}], id="one corner is missing"),
        pytest.param([4, 4], [{0: {n}, 1: {n}} for n in range(4)], id="the diagonal is missing"),
        pytest.param([6, 6], [{0: {0, 1, 2}, 1: {0, 1, 2}}], id="a quarter is missing"),
        pytest.param(
            [4, 4, 3], [{0: {2}, 1: {2}}, {0: {1, 3}, 2: {1}}], id="holes in several axes"
        ),
        pytest.param([9, 3], [{0: set(range(8)), 1: {2}}], id="a value has one partner alone"),
    ],
)
def test_every_value_is_seen_in_spite_of_exclusions(sizes: list[int], boxes: list[Box]) -> None:
    grid = make_grid(sizes, boxes)

    from_grid = choose([GridPool(grid)], max(sizes))
    from_list = choose([ListPool(list(grid))], max(sizes))

    for sample in (from_grid, from_list):
        assert seen(sample.parts[0]) == seen(list(grid))
        assert not sample.unseen


@given(grids(), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_a_sample_leaves_hardly_a_value_out_that_could_be_in(
    grid: tuple[list[int], list[Box]], n: int
) -> None:
    sizes, boxes = grid
    allowed = expand(sizes, boxes)
    if not 0 < n <= len(allowed) <= 14:
        return
    most = max(len(seen(part)) for part in combinations(allowed, n))

    sample = choose([GridPool(make_grid(sizes, boxes))], n)

    # A best cover is a hard problem; the heuristic may miss it by a value or two.
    assert len(seen(sample.parts[0])) >= most - 2
    assert sum(sample.unseen.values()) == len(seen(allowed) - seen(sample.parts[0]))


def test_a_sample_too_small_for_all_values_names_what_is_left_out() -> None:
    sample = choose([GridPool(make_grid([100, 4]))], 10)

    assert sample.unseen == {0: 90}
    assert len({combination[1] for combination in sample.parts[0]}) == 4


def test_a_small_sample_is_spread_over_a_long_axis() -> None:
    [chosen] = choose([GridPool(make_grid([1000, 2]))], 10).parts
    rows = [combination[0] for combination in chosen]

    assert min(rows) < 150
    assert max(rows) > 850
    assert max(b - a for a, b in pairwise(rows)) < 300


def test_the_values_of_a_sample_are_balanced() -> None:
    [chosen] = choose([GridPool(make_grid([10, 4, 3]))], 60).parts

    for dimension, size in enumerate([10, 4, 3]):
        counts = Counter(combination[dimension] for combination in chosen)
        assert max(counts.values()) - min(counts.values()) <= 60 / size / 2


def test_what_was_seen_elsewhere_is_not_shown_first() -> None:
    pool = GridPool(make_grid([10, 2]), seen={0: range(5), 1: range(2)})

    [chosen] = choose([pool], 5).parts

    assert {combination[0] for combination in chosen} == {5, 6, 7, 8, 9}


def test_several_pools_are_filled_in_proportion() -> None:
    sample = choose([GridPool(make_grid([10, 9])), GridPool(make_grid([10]))], 50)

    assert len(sample.parts[0]) + len(sample.parts[1]) == 50
    assert 2 <= len(sample.parts[1]) <= 8


def test_a_sample_of_a_grid_larger_than_any_memory_is_chosen_at_once() -> None:
    [chosen] = choose([GridPool(make_grid([1000] * 8, [{0: {1}, 7: {2}}]))], 1000).parts

    assert len(seen(chosen)) == 8000
