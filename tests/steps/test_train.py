"""steps/train.py: what it says."""

from sparsebuild import modifiers, recipe
from sparsebuild.steps.train import kinds_of_cpu, tell_clashes

RECIPE = """
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateFunctionModifier {start_epoch: 0.0, end_epoch: 4.0, lr_func: linear, init_lr: 1e-4, final_lr: 0.0}
"""


def test_where_the_recipe_and_the_settings_both_speak_the_recipe_wins_and_says_so(listener):
    specs = modifiers.specs(recipe.resolve(recipe.read(RECIPE, "recipe.yaml"), {}))
    tell_clashes({"num_train_epochs": 9, "learning_rate": 1e-3}, specs, 4, listener)
    assert listener.lines == [
        "the recipe asks for 4 epochs: `train.num_train_epochs` is not used",
        "the recipe sets the learning rate: `train.learning_rate` holds only before it begins",
    ]


def test_where_only_one_of_them_speaks_there_is_nothing_to_say(listener):
    tell_clashes({"num_train_epochs": 9, "learning_rate": 1e-3}, (), 9, listener)
    assert listener.lines == []


def test_the_record_names_every_kind_of_cpu_that_has_worked_on_a_training():
    """So that a rebuild on one of them compares numbers, and not bytes that it cannot have."""
    assert kinds_of_cpu(None, "old") == kinds_of_cpu("old", "old") == "old"
    assert kinds_of_cpu("old", "new") == kinds_of_cpu("old, then new", "new") == "old, then new"
    assert kinds_of_cpu("old, then new", "old") == "old, then new, then old"
