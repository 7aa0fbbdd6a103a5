"""Frames that are saved: every n-th, as NumPy's files, with a crop of each region."""

import os

import numpy as np
from gstgva import VideoFrame


class Saver:
    def __init__(self, folder, every):
        self.folder, self.every, self.number = folder, every, 0

    def save(self, frame: VideoFrame):
        info = frame.video_info()
        if self.number % self.every == 0:
            with frame.data() as mat:
                np.save(os.path.join(self.folder, f"frame{self.number}.npy"), mat)
                for index, roi in enumerate(frame.regions()):
                    rect = roi.rect()
                    part = mat[rect.y : rect.y + rect.h, rect.x : min(rect.x + rect.w, info.width)]
                    np.save(os.path.join(self.folder, f"crop{self.number}-{index}.npy"), part)
        self.number += 1
        return True
