"""What an imported trace may cost, in one place. Beyond these a value is cut or ``TraceError`` is raised."""

STEPS = 200_000
DEPTH = 1_000  # frames of a stack
VALUES = 250_000  # interned; more become a Cut
FRAMES_LOST = 100_000  # lines of a file that is rebuilt from the lines seen
SOURCE = 6_000_000  # characters of all files together
NAME = 200  # characters of a name, a kind, a path
TEXT = 2_000  # characters of a string value
SCALAR = 200  # characters of a number, of a repr
ELEMENTS = (100, 10)  # first and last elements of a sequence or mapping
TENSOR = 256  # elements given in full; more as statistics and a grid
NESTING = 40  # values in values
OUTPUT = 500_000  # characters of one output
OUTPUTS = 20_000_000  # characters of all outputs
PICTURE = 5_000_000  # bytes of one picture or video: with base64, a line of the trace stays under the reader's 8 MB
PICTURES = 30_000_000  # bytes of all
