"""The guard: a step that is not finite moves nothing, and neither does any after it, though nobody asks in between."""

import pytest
import torch

from models.training.training_loss import FiniteGuard

CPU = torch.device("cpu")
GOOD, NAN, INF = 1.0, float("nan"), float("inf")


def step(guard, parameter, optimiser, loss, slope):
    """One step of a single weight, as the loop does it, with this loss and slope."""
    parameter.grad = torch.full_like(parameter, slope)
    guard.watch(torch.tensor(loss), [parameter.grad], [group["lr"] for group in optimiser.param_groups])
    optimiser.step()


def deferred(kind=torch.optim.Adam):
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimiser = kind([parameter], lr=torch.tensor(0.1), foreach=False, weight_decay=0.1)
    return FiniteGuard(CPU, is_deferred=True), parameter, optimiser


@pytest.mark.fault("T4")
@pytest.mark.parametrize("kind", [torch.optim.RMSprop, torch.optim.Adam, torch.optim.AdamW], ids=lambda k: k.__name__)
@pytest.mark.parametrize(
    ("loss", "slope", "what"),
    [
        pytest.param(NAN, GOOD, "loss", id="loss NaN"),
        pytest.param(INF, NAN, "loss", id="both"),
        pytest.param(GOOD, NAN, "gradient", id="gradient NaN"),
        pytest.param(GOOD, -INF, "gradient", id="gradient infinite"),
    ],
)
def test_a_deferred_guard_freezes_the_weights_from_the_first_bad_step_on(kind, loss, slope, what):
    guard, parameter, optimiser = deferred(kind)
    for _ in range(3):
        step(guard, parameter, optimiser, GOOD, GOOD)
    before = parameter.detach().clone()
    assert not torch.equal(before, torch.tensor([1.0, 2.0])) and guard.found() == (0, "")
    step(guard, parameter, optimiser, loss, slope)
    step(guard, parameter, optimiser, GOOD, GOOD)
    step(guard, parameter, optimiser, NAN, INF)
    assert torch.equal(parameter.detach(), before)
    assert guard.found() == (4, what)


def test_a_deferred_guard_changes_no_finite_step():
    guard, watched, optimiser = deferred()
    _, alone, other = deferred()
    for slope in (1.0, -0.5, 1e-30, 0.0, 3e38):
        step(guard, watched, optimiser, GOOD, slope)
        alone.grad = torch.full_like(alone, slope)
        other.step()
    assert torch.equal(watched.detach(), alone.detach())


def test_steps_are_counted_from_where_an_epoch_goes_on():
    guard = FiniteGuard(CPU, is_deferred=False)
    guard.begin(5)
    guard.watch(torch.tensor(GOOD), [torch.ones(2)], [])
    guard.watch(torch.tensor(NAN), [torch.ones(2)], [])
    assert guard.found() == (7, "loss")
