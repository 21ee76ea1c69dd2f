import json

import pytest

from runner.core.errors import VerificationError
from runner.phase.captures import choose, require_stored, stored_checkpoints


def entry(file, epoch):
    return {"file": file, "epoch": epoch, "sha256": "1" * 64, "weights_sha256": "2" * 64}


LISTED = {
    "at_collapse": entry("model_at_collapse.pt", 0),
    "before_collapse": entry("model_before_collapse.pt", None),
    "best": entry("model_best.pt", 5),
    "last": entry("model.pt", 5),
}


@pytest.fixture
def listed(tmp_path):
    def listed(checkpoints):
        table = {"schema_version": 1, "checkpoints": checkpoints}
        (tmp_path / "checkpoints.json").write_text(json.dumps(table))
        return stored_checkpoints(tmp_path)

    return listed


def test_weights_are_chosen_by_name_or_epoch_and_the_last_by_default(listed):
    stored = listed(LISTED)
    assert choose(stored) == "last"
    assert choose(stored, name="before_collapse") == "before_collapse"
    assert choose(stored, moment=0) == "at_collapse"
    assert choose(stored, moment=5) == "last"


def test_an_epoch_that_is_not_stored_is_answered_with_those_that_are(listed):
    with pytest.raises(VerificationError) as caught:
        choose(listed(LISTED), moment=3)
    assert str(caught.value) == (
        "no checkpoint of epoch 3; stored are last (epoch 5), at_collapse (epoch 0), "
        "before_collapse (initial weights), best (epoch 5)"
    )


def test_a_name_that_is_not_stored_is_answered_with_those_that_are(listed):
    with pytest.raises(VerificationError) as caught:
        choose(listed({"last": LISTED["last"]}), name="at_collapse")
    assert str(caught.value) == "no checkpoint 'at_collapse'; stored are last (epoch 5)"


def test_a_file_outside_the_arms_folder_is_refused(listed):
    with pytest.raises(ValueError, match=r"checkpoints\.json: checkpoints\.last\.file: "):
        listed({"last": entry("../other/model.pt", 1)})


def test_an_arm_without_the_list_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"checkpoints\.json is missing"):
        stored_checkpoints(tmp_path)


def test_weights_that_were_not_taken_cannot_be_looked_into(listed, tmp_path):
    last = listed(LISTED)["last"]
    with pytest.raises(ValueError, match=r"model\.pt is in checkpoints\.json and not among"):
        require_stored(tmp_path, last)
    (tmp_path / "model.pt").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="not among"):
        require_stored(tmp_path, last)
    (tmp_path / "model.pt").unlink()
    (tmp_path / "model.pt").write_bytes(b"x")
    require_stored(tmp_path, last)
