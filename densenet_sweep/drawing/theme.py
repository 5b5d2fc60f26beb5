"""The look of every picture: colours that colour-blind people can distinguish, on white and on black, and sizes.

Source: Okabe and Ito, Color Universal Design (2008); without its yellow and black, each invisible on one background.
"""

BLUE = "#0072b2"
ORANGE = "#e69f00"
GREEN = "#009e73"
RED = "#d55e00"
PINK = "#cc79a7"
SKY = "#56b4e9"
GREY = "#7f7f7f"

# Lighter colours that replace the darker ones on a dark background.
ON_DARK = {BLUE: SKY, GREEN: "#2fc99c", RED: "#ff7f2a", GREY: "#a3a3a3"}

# The colour map of surfaces: perceptually uniform, safe for colour blindness, and available in both libraries.
SURFACE = "cividis"

TEXT = "#222222"
NOTE = "#5f5f5f"
GRID = "#e3e3e3"

DPI = 110
# Inches of one panel alone, and of one among others.
SINGLE = (7.6, 4.4)
PANEL = (4.1, 3.3)
