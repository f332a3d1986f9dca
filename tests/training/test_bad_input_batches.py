"""What the loop and an average are given in place of batches and checkpoints."""

import pytest
import torch

from lilllm.training import average
from tests.training import tiny


@pytest.mark.parametrize("batch", [(1, 2), {"tokens": 1}, torch.zeros(4, tiny.T)])
def test_a_loader_of_no_batches(batch):
    with pytest.raises(ValueError, match=f"the loader gives a {type(batch).__name__}; give one of lilllm.data.Batch"):
        tiny.trainer(loader=iter([batch]), changes={"eval_every": None}).run()


def test_one_path_is_no_list_of_checkpoints(tmp_path):
    for path in ("r1", tmp_path):
        with pytest.raises(ValueError, match=r"give a list of checkpoints, such as training\.checkpoints\("):
            average(path)


def test_true_is_no_step():
    with pytest.raises(ValueError, match="until is True; give a whole number"):
        tiny.trainer().run(until=True)
