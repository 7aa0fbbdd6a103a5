"""How a picture is fitted into the input of a model, and how places in it become places in the picture again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from empycustom.libs.shapes import Array, opencv

BORDER = 114  # gray, with which these models were trained
CENTRED, TOP_LEFT, STRETCHED = "centred", "top left", "stretched"


@dataclass(frozen=True)
class Letterbox:
    """A picture in the input of a model: scaled, then moved. All sizes are in pixels."""

    width: int  # of the picture
    height: int
    input_width: int
    input_height: int
    scaled_width: int
    scaled_height: int
    left: int
    top: int

    @classmethod
    def of(cls, picture: tuple[int, int], size: tuple[int, int], fit: str) -> Letterbox:
        """Return how a picture (height, width) is fitted into a size (height, width): centred, top left, or stretched."""
        (height, width), (input_height, input_width) = picture, size
        if fit == STRETCHED:
            return cls(width, height, input_width, input_height, input_width, input_height, 0, 0)
        scale = min(input_height / height, input_width / width)
        scaled = max(round(width * scale), 1), max(round(height * scale), 1)
        free = input_width - scaled[0], input_height - scaled[1]
        left, top = (round(each / 2 - 0.1) for each in free) if fit == CENTRED else (0, 0)
        return cls(width, height, input_width, input_height, *scaled, left, top)

    def apply(self, picture: Array) -> Array:
        """Return the picture (height, width, 3) in the size of the input, with a gray border."""
        cv2 = opencv()
        scaled: Array = picture
        if picture.shape[:2] != (self.scaled_height, self.scaled_width):
            scaled = cv2.resize(picture, (self.scaled_width, self.scaled_height), interpolation=cv2.INTER_LINEAR)
        if (self.scaled_height, self.scaled_width) == (self.input_height, self.input_width):
            return scaled
        fitted = np.full((self.input_height, self.input_width, 3), BORDER, np.uint8)
        fitted[self.top : self.top + self.scaled_height, self.left : self.left + self.scaled_width] = scaled
        return fitted

    def undo(self, points: Array) -> Array:
        """Return places (..., 2) of the input, x and y, as places in the picture."""
        scales = self.width / self.scaled_width, self.height / self.scaled_height
        moved: Array = (points - np.array((self.left, self.top), np.float32)) * np.array(scales, np.float32)
        return moved
