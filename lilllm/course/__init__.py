"""What the learner touches: exercises that check themselves, predictions, and the way into the course.

    check      tests the reader's function and names the likely mistake
    predict    a question to answer before the cell that reveals
    chips      tokens coloured in place
    model_picture   every tensor of a forward pass, to click into
    museum     programs that are broken on purpose
    figures    one style for every figure

Read in order: exercise (what an exercise is made of), guard (how strange code is run), judge (right or not, and why),
report (how it is said), check.
"""

from lilllm.course.check import check, exercise_names
from lilllm.course.predict import predict

__all__ = ["check", "exercise_names", "predict"]
